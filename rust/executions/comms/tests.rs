//! Whose the state is, and what the fuzzer shares with these tests: a plain model of a state.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::message::{CommMessage, Part};
use super::*;
use crate::executions::comms::message::State;
use crate::executions::testing::Random;

impl Comms {
    /// Counts everything anew.
    pub(in crate::executions) fn check(&self) {
        let kept: u64 = self.kept.values().map(|comm| comm.memory()).sum();
        let missing: u64 = self.missing.values().map(Missing::memory).sum();
        assert_eq!(self.memory, kept + missing);
        let sizes = self.kept.iter().map(|(number, comm)| (comm.memory(), *number));
        assert_eq!(self.sizes, sizes.collect());
        assert_eq!(self.numbers.len(), self.kept.len() + self.missing.len());
        for (number, comm) in &self.kept {
            comm.check();
            assert_eq!(self.numbers.get(&comm.id), Some(number));
            let capturing = comm.captures().and_then(|request| self.captures.get(&request));
            assert_eq!(capturing.is_some(), comm.captures().is_some());
            assert!(capturing.is_none_or(|numbers| numbers.contains(number)));
        }
        let capturing = self.captures.values().flatten();
        assert!(capturing.clone().all(|number| self.kept.contains_key(number)));
        assert_eq!(
            capturing.count(),
            self.kept.values().filter(|comm| comm.captures().is_some()).count()
        );
    }
}

/// The state of a widget as a page has it: values without buffers, and buffers by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plain {
    pub values: BTreeMap<String, Value>,
    pub buffers: BTreeMap<String, String>,
}

impl Plain {
    /// What a page makes of a change.
    pub fn merge(&mut self, change: &Self) {
        let key = |path: &str| {
            serde_json::from_str::<Vec<Value>>(path).unwrap()[0]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let touched: Vec<String> = change
            .values
            .keys()
            .cloned()
            .chain(change.buffers.keys().map(|path| key(path)))
            .collect();
        self.values.retain(|name, _| !touched.contains(name));
        self.buffers.retain(|path, _| !touched.contains(&key(path)));
        self.values.extend(change.values.clone());
        self.buffers.extend(change.buffers.clone());
    }

    /// A few keys, which may be nested, have buffers, or refer to other widgets.
    pub fn random(random: &mut Random<'_>) -> Self {
        let mut made = Self::default();
        for _ in 0..random.size(4) {
            let key = *random.choose(&["a", "b", "é\"", "value"]);
            match random.below(4) {
                0 => drop(
                    made.buffers
                        .insert(json!([key]).to_string(), format!("<{}>", random.below(9))),
                ),
                1 => {
                    made.values
                        .insert(key.to_owned(), json!({"x": null, "y": random.below(100)}));
                    made.buffers
                        .insert(json!([key, "z", 0]).to_string(), "buffer".to_owned());
                }
                2 => {
                    let reference = format!("IPY_MODEL_{}", random.below(4));
                    made.values.insert(key.to_owned(), json!([reference]));
                }
                _ => drop(made.values.insert(key.to_owned(), json!([random.below(100), "text\n"]))),
            }
            // A key has one form
            let whole = json!([key]).to_string();
            if made.buffers.contains_key(&whole) {
                made.values.remove(key);
                made.buffers
                    .retain(|path, _| *path == whole || !path.starts_with(&whole[..whole.len() - 1]));
            }
        }
        made
    }

    /// `state` and `buffer_paths` as JSON, and the buffers.
    pub fn data(&self) -> (String, Vec<Bytes>) {
        let paths: Vec<&str> = self.buffers.keys().map(|path| &**path).collect();
        let buffers = self.buffers.values().map(|buffer| Bytes::from(buffer.clone()));
        let state = serde_json::to_string(&self.values).unwrap();
        (
            format!(r#""state":{state},"buffer_paths":[{}]"#, paths.join(",")),
            buffers.collect(),
        )
    }

    pub fn of(written: (Vec<u8>, Vec<Bytes>)) -> Self {
        let (json, buffers) = written;
        let json: Value = serde_json::from_slice(&[b"{", &json[..], b"}"].concat()).unwrap();
        let paths = json["buffer_paths"].as_array().unwrap().iter().map(Value::to_string);
        let text = |buffer: Bytes| String::from_utf8(buffer.to_vec()).unwrap();
        Self {
            values: serde_json::from_value(json["state"].clone()).unwrap(),
            buffers: paths.zip(buffers.into_iter().map(text)).collect(),
        }
    }
}

pub(super) fn message(msg_type: &str, content: &str, buffers: Vec<Bytes>) -> CommMessage {
    let mut parts = [r#"{"msg_id":"m"}"#, "{}", r#"{"version":"2.1.0"}"#, content]
        .map(|part| Bytes::from(part.to_owned()))
        .to_vec();
    parts.extend(buffers);
    CommMessage::read(msg_type, &parts).unwrap()
}

pub(super) fn opening(id: &str, state: &str) -> CommMessage {
    let content = format!(r#"{{"comm_id":"{id}","target_name":"jupyter.widget","data":{{"state":{state}}}}}"#);
    message("comm_open", &content, Vec::new())
}

pub(super) fn change(id: &str, method: &str, state: &str) -> CommMessage {
    let content = format!(r#"{{"comm_id":"{id}","data":{{"method":"{method}","state":{state}}}}}"#);
    message("comm_msg", &content, Vec::new())
}

/// The state of each widget of an owner.
pub(super) fn states(comms: &Comms, owner: &Owner) -> BTreeMap<String, Plain> {
    let all = comms.of(owner).into_iter();
    all.map(|comm| (comm.id.to_string(), Plain::of(comm.written(|_| true))))
        .collect()
}

#[test]
fn what_another_user_has_changed_is_nobodys() {
    let (ada, bob) = (Owner::User("ada".into()), Owner::User("bob".into()));
    for other in [bob, Owner::Nobody] {
        let mut comms = Comms::default();
        comms.take(opening("c", r#"{"value":1}"#), &ada, true);
        comms.take(change("c", "update", r#"{"value":2}"#), &other, true);
        comms.check();
        assert_eq!((comms.of(&ada).len(), comms.of(&other).len()), (0, 0));
        assert_eq!(comms.missing(&ada, Lost::Unknown), 1);
        comms.take(change("c", "update", r#"{"value":3}"#), &ada, true);
        assert!(comms.of(&ada).is_empty(), "it stays so");
        comms.take(opening("c", r#"{"value":1}"#), &ada, true);
        assert_eq!(comms.of(&ada).len(), 1, "until it is opened anew");
    }
}

#[test]
fn a_part_is_replaced_whole() {
    let mut comm = Comm::new("c", Owner::All, Bytes::new(), State::new());
    let buffers = vec![(Bytes::from(r#"["a"]"#), Bytes::from("x"))];
    comm.merge([("a".into(), Part { value: None, buffers })].into(), true);
    let value = Some(Bytes::from("1"));
    comm.merge(
        [(
            "a".into(),
            Part {
                value,
                ..Part::default()
            },
        )]
        .into(),
        true,
    );
    comm.check();
    let found = Plain::of(comm.written(|_| true));
    assert_eq!((found.values.len(), found.buffers.len()), (1, 0));
}

#[test]
fn a_widget_belongs_to_the_user_of_a_request_that_is_not_kept() {
    use crate::executions::testing::{UNLIMITED, feed_batch, journal};
    use crate::flow::testing::batch_of_parents;

    let mut journal = journal(UNLIMITED, &[]);
    journal.note_request(Some("ada"), "page");
    let content = r#"{"comm_id":"c","target_name":"jupyter.widget","data":{"state":{}}}"#;
    let parent = r#"{"msg_id":"of a comm_msg","session":"page"}"#;
    let batch = batch_of_parents("iopub", &[("comm_open", parent, content)]);
    feed_batch(&mut journal, &batch, 0.0);
    assert!(journal.is_empty(), "no execution is kept");
    assert_eq!(journal.comms.of(&Owner::User("ada".into())).len(), 1);
    assert!(journal.comms.of(&Owner::Nobody).is_empty());
}

#[test]
fn what_a_client_changes_counts_when_it_is_sent() {
    use crate::executions::testing::{UNLIMITED, journal};

    let mut journal = journal(UNLIMITED, &["p"]);
    journal.take_sent(opening("c", r#"{"value":1}"#), None, "page");
    journal.take_sent(change("c", "update", r#"{"value":2}"#), None, "page");
    assert_eq!(states(&journal.comms, &Owner::All)["c"].values["value"], json!(2));
    assert!(!journal.is_empty(), "the execution");
}
