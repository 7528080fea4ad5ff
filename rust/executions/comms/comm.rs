//! One widget: its state, merged from all changes, and the output that it captures.
//!
//! An `Output` widget names in `msg_id` the request whose output it shows in place of the cell. A page collects that output and
//! sends the list to the kernel as the widget's `outputs`. The list is a copy, which is late while the kernel is busy and is
//! missing while no page is open. So this file collects the output itself, in a log as that of an execution, and counts only
//! those `outputs` that the kernel has set.
//! Must not know other widgets. Cost: that of `Log` for captured output.

use bytes::Bytes;

use super::message::{Part, State};
use super::owners::Owner;
use crate::batch::Message;
use crate::executions::log::Log;
use crate::flow::entry::Entry;
use crate::json::{self, quoted};
use crate::reader::wide;

/// A widget.
pub struct Comm {
    /// The id of its comm.
    pub id: Box<str>,
    /// Who may get it.
    pub owner: Owner,
    /// The metadata of its `comm_open`.
    pub metadata: Bytes,
    /// What it has captured since the kernel last set its `outputs`.
    pub captured: Option<Box<Log>>,
    state: State,
    /// Bytes of the state.
    bytes: u64,
}

impl Comm {
    /// A widget that was opened with this state.
    pub fn new(id: &str, owner: Owner, metadata: Bytes, state: State) -> Self {
        let bytes = state.iter().map(|(key, part)| size(key, part)).sum();
        Self {
            id: id.into(),
            owner,
            metadata,
            captured: None,
            state,
            bytes,
        }
    }

    /// Merges a change. `set`: the kernel has set these values itself, and does not only repeat those of a client.
    pub fn merge(&mut self, mut change: State, set: bool) {
        if self.is_output() {
            // With a model's name it is all of the state, which the kernel was asked for: its `outputs` are a page's copy
            if !set || change.contains_key("_model_name") {
                change.remove("outputs");
            }
            if change.contains_key("outputs") {
                self.captured = None;
            }
        }
        for (key, part) in change {
            self.put(key, part);
        }
    }

    fn put(&mut self, key: Box<str>, part: Part) {
        let name = key.clone();
        self.bytes += size(&key, &part);
        if let Some(old) = self.state.insert(key, part) {
            self.bytes -= size(&name, &old);
        }
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether it can capture output.
    pub fn is_output(&self) -> bool {
        self.text("_model_name").as_deref() == Some("OutputModel")
    }

    /// The request whose output it captures now.
    pub fn captures(&self) -> Option<Box<str>> {
        let request = self.text("msg_id").filter(|id| !id.is_empty() && self.is_output());
        request.map(Box::from)
    }

    fn text(&self, key: &str) -> Option<String> {
        let value = self.state.get(key)?.value.as_ref()?;
        json::decode_string(value).map(std::borrow::Cow::into_owned)
    }

    /// Takes a message of the request that it captures. False: it does not show such messages.
    pub fn capture(&mut self, message: &Message, parts: &[Bytes], entry: Entry, text_limit: u64) -> bool {
        let log = self.captured.get_or_insert_default();
        let clears_next = log.clears_next();
        let taken = log.take(message, parts, entry, text_limit);
        // What the kernel has set precedes the log, and is cleared with it
        if taken && (clears_next || message.msg_type() == "clear_output") && !log.clears_next() {
            let value = Some(Bytes::from_static(b"[]"));
            self.put(
                "outputs".into(),
                Part {
                    value,
                    ..Part::default()
                },
            );
        }
        taken
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        let captured = self
            .captured
            .as_ref()
            .map_or(0, |log| log.memory() + wide(size_of::<Log>()));
        let names = 2 * self.id.len() + self.owner.memory() + self.metadata.len();
        self.bytes + captured + wide(names + size_of::<Self>() + UPKEEP)
    }

    /// The members `state` and `buffer_paths` of a message with the keys that `wanted` names, and its buffers.
    pub fn written(&self, wanted: impl Fn(&str) -> bool) -> (Vec<u8>, Vec<Bytes>) {
        let (mut state, mut paths, mut buffers) = (Vec::new(), Vec::new(), Vec::new());
        for (key, part) in self.state.iter().filter(|(key, _)| wanted(key)) {
            if let Some(value) = &part.value {
                separate(&mut state);
                state.extend_from_slice(quoted(key).as_bytes());
                state.push(b':');
                state.extend_from_slice(value);
            }
            for (path, buffer) in &part.buffers {
                separate(&mut paths);
                paths.extend_from_slice(path);
                buffers.push(buffer.clone());
            }
        }
        let json = [&br#""state":{"#[..], &state, br#"},"buffer_paths":["#, &paths, b"]"].concat();
        (json, buffers)
    }
}

fn separate(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.push(b',');
    }
}

fn size(key: &str, part: &Part) -> u64 {
    let value = part.value.as_ref().map_or(0, Bytes::len);
    let buffers = part.buffers.iter();
    let buffers: usize = buffers
        .map(|(path, buffer)| path.len() + buffer.len() + BUFFER_UPKEEP)
        .sum();
    wide(key.len() + value + buffers + PART_UPKEEP)
}

/// Bytes of a widget's entries in the indexes, and of the overhead of the allocator.
const UPKEEP: usize = 384;

/// Bytes of a key's entry in the map, of what its value needs besides its bytes, and of the overhead of the allocator.
const PART_UPKEEP: usize = 192;

/// Bytes of the entry of a buffer, and of the overhead of the allocator.
const BUFFER_UPKEEP: usize = 128;

#[cfg(any(test, fuzzing))]
impl Comm {
    /// Counts everything anew.
    pub fn check(&self) {
        assert_eq!(
            self.bytes,
            self.state.iter().map(|(key, part)| size(key, part)).sum::<u64>()
        );
        if let Some(log) = &self.captured {
            assert_eq!(log.memory(), log.counted_anew());
        }
    }
}
