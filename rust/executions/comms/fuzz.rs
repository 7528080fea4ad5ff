//! Lists of random comm messages, compared with a plain model of the widgets that a page would have.
//!
//! Whatever comes, the memory is counted exactly, what is replayed is JSON with as many paths as buffers, and a message of one
//! user never changes another's widget except that it is not replayed any more. A failure names its seed: `run` repeats it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::message::CommMessage;
use super::order::order;
use super::tests::{Plain, message, states};
use super::*;
use crate::executions::testing::Random;
use crate::json;

#[test]
fn the_state_is_what_a_page_has_after_the_same_messages() {
    for seed in 0..300 {
        println!("seed {seed}");
        run(Random::new(seed), 60);
    }
}

/// Runs the operations that `data` chooses.
pub fn run_bytes(data: &[u8]) {
    run(Random::of(data), usize::MAX);
}

fn run(random: Random<'_>, most: usize) {
    let mut fuzz = Fuzz::new(random);
    for _ in 0..most {
        if fuzz.random.is_empty() {
            break;
        }
        fuzz.step();
        fuzz.comms.check();
        fuzz.compare();
    }
    fuzz.comms.clear();
    fuzz.comms.check();
    assert_eq!(fuzz.comms.memory(), 0);
}

/// A widget in the model: its state, or why it is not replayed.
struct Widget {
    owner: usize,
    state: Result<Plain, Lost>,
}

impl Widget {
    /// It is not replayed any more. The first reason stays.
    fn lose(&mut self, why: Lost) {
        if self.state.is_ok() {
            self.state = Err(why);
        }
    }
}

struct Fuzz<'a> {
    random: Random<'a>,
    comms: Comms,
    model: BTreeMap<String, Widget>,
    owners: [Owner; 2],
    limited: bool,
}

impl<'a> Fuzz<'a> {
    fn new(mut random: Random<'a>) -> Self {
        let limited = random.one_in(2);
        Self {
            random,
            comms: Comms::default(),
            model: BTreeMap::new(),
            owners: ["ada", "bob"].map(|name| Owner::User(name.into())),
            limited,
        }
    }

    fn step(&mut self) {
        let id = *self.random.choose(&IDS);
        // Mostly one user, so that widgets live for a while
        let owner = usize::from(self.random.one_in(10));
        match self.random.below(16) {
            0..3 => self.open(id, owner),
            3 => self.close(id, owner),
            4 => self.unreadable(id, owner),
            5 => self.hostile(id, owner),
            6 if self.limited => self.enforce(),
            7 if self.random.one_in(4) => {
                self.comms.clear();
                self.model.clear();
            }
            _ => self.update(id, owner),
        }
    }

    fn take(&mut self, message: CommMessage, owner: usize) {
        let of_kernel = self.random.one_in(2);
        self.comms.take(message, &self.owners[owner], of_kernel);
    }

    fn open(&mut self, id: &str, owner: usize) {
        let state = Plain::random(&mut self.random);
        let (data, buffers) = state.data();
        let content = format!(r#"{{"comm_id":"{id}","target_name":"jupyter.widget","data":{{{data}}}}}"#);
        self.take(message("comm_open", &content, buffers), owner);
        let state = Ok(state);
        self.model.insert(id.to_owned(), Widget { owner, state });
    }

    fn close(&mut self, id: &str, owner: usize) {
        let content = format!(r#"{{"comm_id":{},"data":{{}}}}"#, json::quoted(id));
        self.take(message("comm_close", &content, Vec::new()), owner);
        self.model.remove(id);
    }

    fn update(&mut self, id: &str, owner: usize) {
        let change = Plain::random(&mut self.random);
        let (data, buffers) = change.data();
        let method = *self.random.choose(&["update", "echo_update"]);
        let content = format!(r#"{{"comm_id":"{id}","data":{{"method":"{method}",{data}}}}}"#);
        self.take(message("comm_msg", &content, buffers), owner);
        let Some(widget) = self.model.get_mut(id) else { return };
        match &mut widget.state {
            Ok(state) if widget.owner == owner => state.merge(&change),
            _ => widget.lose(Lost::Unknown),
        }
    }

    /// A change that cannot be read: it names no keys, or not the places of its buffers.
    fn unreadable(&mut self, id: &str, owner: usize) {
        let data = *self
            .random
            .choose(&[r#""state":7"#, r#""buffer_paths":[["a"]]"#, r#""buffer_paths":7"#]);
        let content = format!(r#"{{"comm_id":"{id}","data":{{"method":"update",{data}}}}}"#);
        self.take(message("comm_msg", &content, Vec::new()), owner);
        self.lose(id, Lost::Unknown);
    }

    fn lose(&mut self, id: &str, why: Lost) {
        if let Some(widget) = self.model.get_mut(id) {
            widget.lose(why);
        }
    }

    /// Any bytes as the data, or as the whole content. The widget is closed afterwards, since the model cannot follow.
    fn hostile(&mut self, id: &str, owner: usize) {
        let msg_type = *self.random.choose(&["comm_open", "comm_msg", "comm_close"]);
        let len = self.random.size(64);
        let bytes = self.random.take(len);
        let data = format!(r#"{{"comm_id":"{id}","target_name":"jupyter.widget","data":"#);
        let state = format!(r#"{data}{{"method":"update","state":"#);
        let (before, after) = *self.random.choose(&[("", ""), (&data, "}"), (&state, "}}")]);
        let content = [before.as_bytes(), &bytes, after.as_bytes()].concat();
        let mut parts = [&b"{}"[..], b"{}", b"{}", &content]
            .map(Bytes::copy_from_slice)
            .to_vec();
        parts.extend((0..self.random.below(3)).map(|_| Bytes::from_static(b"buffer")));
        let Some(read) = CommMessage::read(msg_type, &parts) else {
            return;
        };
        agrees_with_serde_json(&read, &content);
        let id = read.id.to_string();
        self.take(read, owner);
        self.comms.check();
        for comm in self.owners.iter().flat_map(|owner| self.comms.of(owner)) {
            let (written, buffers) = comm.written(|_| true);
            let written = [b"{", &written[..], b"}"].concat();
            assert!(json::check(&written).is_ok(), "what is replayed is JSON");
            let paths = json::elements(json::member(&written, b"buffer_paths").unwrap()).unwrap();
            assert_eq!(paths.len(), buffers.len());
        }
        self.close(&id, owner);
    }

    fn enforce(&mut self) {
        let limits = Limits {
            comms: *self.random.choose(&[0, 1, 2, 3, 5000]),
            memory: *self.random.choose(&[0, 1500, 3000, 1 << 20]),
        };
        let fits = self.comms.kept.len() <= limits.comms && self.comms.memory() <= limits.memory;
        let before = self.known();
        self.comms.configure(limits);
        self.comms.enforce(u64::MAX);
        let after = self.known();
        assert!(self.comms.kept.len() <= limits.comms && self.comms.memory() <= limits.memory);
        assert!(!fits || before == after, "nothing is evicted without need");
        for id in before.difference(&after) {
            self.lose(id, Lost::Evicted);
        }
        self.comms.configure(Comms::default().limits);
    }

    fn known(&self) -> BTreeSet<String> {
        self.comms.kept.values().map(|comm| comm.id.to_string()).collect()
    }

    /// The widgets of each user, their order, and how many are not there, and why.
    fn compare(&self) {
        for (index, owner) in self.owners.iter().enumerate() {
            let theirs = self.model.iter().filter(|(_, widget)| widget.owner == index);
            let expected = theirs
                .clone()
                .filter_map(|(id, widget)| Some((id.clone(), widget.state.clone().ok()?)));
            assert_eq!(states(&self.comms, owner), expected.collect());
            for why in [Lost::Unknown, Lost::Evicted] {
                let gone = theirs
                    .clone()
                    .filter(|(_, widget)| widget.state.as_ref() == Err(&why))
                    .count();
                let missing = self.comms.missing(owner, why);
                // With limits the oldest are forgotten
                assert!(missing == gone || (self.limited && missing < gone));
            }
            in_order(&self.comms.of(owner));
        }
    }
}

/// A message that serde_json reads means the same here.
fn agrees_with_serde_json(read: &CommMessage, content: &[u8]) {
    let (Act::Update { state, .. }, Ok(value)) = (&read.act, serde_json::from_slice::<Value>(content)) else {
        return;
    };
    assert_eq!(value["comm_id"], *read.id);
    let (data, has_paths) = (&value["data"], value["data"].get("buffer_paths").is_some());
    let Some(expected) = data.get("state").and_then(Value::as_object).filter(|_| !has_paths) else {
        return;
    };
    let state = state.as_ref().unwrap();
    assert_eq!(state.len(), expected.len());
    for (key, part) in state {
        let value: Value = serde_json::from_slice(part.value.as_ref().unwrap()).unwrap();
        assert_eq!(value, expected[&**key]);
    }
}

/// Each widget is replayed after those that it refers to, or gets the key that refers to them later.
fn in_order(comms: &[&Comm]) {
    let mut opened = BTreeSet::new();
    for opening in order(comms) {
        opened.insert(&*opening.comm.id);
        let now = Plain::of(opening.comm.written(|key| !opening.later.contains(key)));
        let text = serde_json::to_string(&now.values).unwrap();
        let mut references = IDS.iter().filter(|id| text.contains(&format!("\"IPY_MODEL_{id}\"")));
        assert!(references.all(|id| opened.contains(id)));
    }
}

const IDS: [&str; 3] = ["1", "2", "3"];
