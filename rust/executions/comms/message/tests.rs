use super::*;

pub fn parts(content: &str, buffers: &[&str]) -> Vec<Bytes> {
    let json = ["{}", "{}", r#"{"version":"2.1.0"}"#, content];
    let all = json.into_iter().chain(buffers.iter().copied());
    all.map(|part| Bytes::from(part.to_owned())).collect()
}

fn read(msg_type: &str, content: &str, buffers: &[&str]) -> Option<CommMessage> {
    CommMessage::read(msg_type, &parts(content, buffers))
}

fn state_of(content: &str, buffers: &[&str]) -> Option<State> {
    match read("comm_msg", content, buffers)?.act {
        Act::Update { state, .. } => Some(state?),
        _ => None,
    }
}

/// Each part as text: its value, then its paths and buffers.
fn shown(state: &State) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let one = |key: &str, part: &Part| {
        let buffers: Vec<String> = part
            .buffers
            .iter()
            .map(|(path, buffer)| text(path) + "=" + &text(buffer))
            .collect();
        format!(
            "{key}:{} {}",
            part.value.as_ref().map_or("none".to_owned(), text),
            buffers.join(" ")
        )
    };
    state.iter().map(|(key, part)| one(key, part)).collect()
}

#[test]
fn a_widget_is_opened_with_its_state_and_the_version_of_the_protocol() {
    let content = r#"{"comm_id":"c","target_name":"jupyter.widget","data":{"state":{"a":1},"buffer_paths":[["b"]]}}"#;
    let message = read("comm_open", content, &["x"]).unwrap();
    assert_eq!(&*message.id, "c");
    let Act::Open { metadata, state } = message.act else {
        panic!()
    };
    assert_eq!(metadata, r#"{"version":"2.1.0"}"#);
    assert_eq!(shown(&state.unwrap()), ["a:1 ", r#"b:none ["b"]=x"#]);
}

#[test]
fn values_stay_as_they_were_written_and_buffers_belong_to_the_key_of_their_path() {
    let content = r#"{"data":{"method":"update","state":{"a":{"b": [1.50, NaN]},"\u00e9":null},
        "buffer_paths":[["a","c"],["a","b",0]]},"comm_id":"c"}"#;
    let state = state_of(content, &["x", "y", "more than there are paths"]).unwrap();
    assert_eq!(
        shown(&state),
        [r#"a:{"b": [1.50, NaN]} ["a","c"]=x ["a","b",0]=y"#, "é:null "]
    );
}

#[test]
fn what_repeats_a_client_is_known_from_what_the_kernel_sets() {
    for (method, expected) in [("update", false), ("echo_update", true)] {
        let content = format!(r#"{{"comm_id":"c","data":{{"method":"{method}","state":{{}}}}}}"#);
        let act = read("comm_msg", &content, &[]).unwrap().act;
        let state = Some(State::new());
        assert_eq!(act, Act::Update { state, echo: expected });
    }
    assert_eq!(read("comm_close", r#"{"comm_id":"c"}"#, &[]).unwrap().act, Act::Close);
}

#[test]
fn other_messages_change_nothing() {
    for (msg_type, content) in [
        (
            "comm_open",
            r#"{"comm_id":"c","target_name":"jupyter.widget.control","data":{"state":{}}}"#,
        ),
        ("comm_open", r#"{"comm_id":"c","data":{"state":{}}}"#),
        ("comm_msg", r#"{"comm_id":"c","data":{"method":"custom","content":{}}}"#),
        ("comm_msg", r#"{"comm_id":"c","data":{"method":"request_state"}}"#),
        ("comm_msg", r#"{"comm_id":"c","data":{"state":{}}}"#),
        ("comm_msg", r#"{"comm_id":"c"}"#),
        ("comm_msg", r#"{"data":{"method":"update","state":{}}}"#),
        ("comm_msg", r#"{"comm_id":7,"data":{"method":"update","state":{}}}"#),
        ("comm_msg", r#"{"comm_id":"","data":{"method":"update","state":{}}}"#),
        ("comm_msg", r#"{"comm_id":"c""#),
        ("comm_msg", "[]"),
        ("comm_info_reply", r#"{"comm_id":"c"}"#),
    ] {
        assert_eq!(read(msg_type, content, &[]), None, "{content}");
    }
    assert_eq!(CommMessage::read("comm_msg", &parts("{}", &[])[..3]), None);
}

#[test]
fn a_change_that_cannot_be_read_says_which_widget_it_is_about() {
    for data in [
        "[]",
        "7",
        r#"{"method":"update","state":[]}"#,
        r#"{"method":"update","state":{},"buffer_paths":{}}"#,
        r#"{"method":"update","state":{},"buffer_paths":[["a"],["b"]]}"#,
        r#"{"method":"update","state":{},"buffer_paths":[[]]}"#,
        r#"{"method":"update","state":{},"buffer_paths":[[0]]}"#,
        r#"{"method":"update","state":{},"buffer_paths":["a"]}"#,
    ] {
        let content = format!(r#"{{"comm_id":"c","data":{data}}}"#);
        let message = read("comm_msg", &content, &["one"]).unwrap();
        assert_eq!(&*message.id, "c");
        assert_eq!(
            message.act,
            Act::Update {
                state: None,
                echo: false
            },
            "{data}"
        );
    }
}

#[test]
fn a_key_that_is_not_text_makes_the_state_unreadable() {
    let mut content = br#"{"comm_id":"c","data":{"method":"update","state":{"?":1}}}"#.to_vec();
    let at = content.iter().position(|byte| *byte == b'?').unwrap();
    content[at] = 0xff;
    let mut parts = parts("{}", &[]);
    parts[3] = Bytes::from(content);
    let act = CommMessage::read("comm_msg", &parts).unwrap().act;
    assert_eq!(
        act,
        Act::Update {
            state: None,
            echo: false
        }
    );
}
