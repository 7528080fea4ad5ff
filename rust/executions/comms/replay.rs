//! Replays the widgets of a kernel for a page, in two parts: before the outputs that show them, and after.
//!
//! ```text
//! open:  kernelws_comm_open a widget, comm_msg for keys that had to wait, kernelws_widgets
//! fill:  for each Output widget: comm_msg with its outputs, what it has captured; then comm_msg with msg_id; kernelws_widgets_end
//! ```
//!
//! The page has a future, and the id of its request is the parent of all messages. A widget is opened by a type of our own, since
//! JupyterLab answers a `comm_open` that fails with a `comm_close`, at which the kernel would delete the widget; a `comm_msg` for a
//! widget that a page does not have does nothing. What an Output widget has captured reaches it as it did the first time: the
//! widget captures it, now from the page's future. Meanwhile it captures nothing else, because replayed output of the cell would
//! land in it. So `msg_id` is empty until all is replayed.
//! Must not change a widget. Cost: one copy of the state, and of what was captured.

use std::collections::HashSet;

use bytes::Bytes;

use super::comm::Comm;
use super::message::TARGET;
use super::order::order;
use super::owners::Owner;
use super::{Comms, Counts, Lost};
use crate::executions::replay::{Replay, Voice};
use crate::json::quoted;

/// The first part. `request`: the id of the request of the page's future; `session`: that of the page.
pub fn open<'a>(comms: &Comms, owner: &Owner, request: &str, session: &str, voice: Voice<'a>) -> (Replay<'a>, Counts) {
    let mut replay = Replay::to(request, REQUEST, session, voice);
    let theirs = comms.of(owner);
    let openings = order(&theirs);
    for opening in &openings {
        replay.open(opening.comm, &opening.later);
    }
    for opening in openings.iter().filter(|opening| !opening.later.is_empty()) {
        let data = opening.comm.written(|key| opening.later.contains(key));
        replay.change(opening.comm, data);
    }
    let capturing = comms.capturing(owner);
    for comm in capturing.iter().flat_map(|(_, comms)| comms) {
        replay.capture(comm, "");
    }
    let requests: Vec<String> = capturing.iter().map(|(request, _)| quoted(request)).collect();
    replay.own(
        "kernelws_widgets",
        &format!(r#"{{"captures":[{}]}}"#, requests.join(",")),
    );
    let counts = Counts {
        replayed: openings.len(),
        evicted: comms.missing(owner, Lost::Evicted),
        unknown: comms.missing(owner, Lost::Unknown) + theirs.len() - openings.len(),
    };
    (replay, counts)
}

/// The second part.
pub fn fill<'a>(comms: &mut Comms, owner: &Owner, request: &str, session: &str, voice: Voice<'a>) -> Replay<'a> {
    comms.end_logs();
    let mut replay = Replay::to(request, REQUEST, session, voice);
    for comm in comms.of(owner) {
        if let Some(log) = &comm.captured {
            replay.change(comm, comm.written(|key| key == "outputs"));
            replay.capture(comm, request);
            replay.captured(log);
            replay.capture(comm, "");
        }
    }
    for (request, comms) in comms.capturing(owner) {
        for comm in comms {
            replay.capture(comm, request);
        }
    }
    replay.own("kernelws_widgets_end", "{}");
    replay
}

impl Replay<'_> {
    /// Adds a message that opens a widget without some keys.
    fn open(&mut self, comm: &Comm, later: &HashSet<&str>) {
        let captures = comm.captures().is_some();
        let (state, buffers) = comm.written(|key| !(later.contains(key) || captures && key == "msg_id"));
        let head = format!(
            r#"{{"comm_id":{},"target_name":{},"data":{{"#,
            quoted(&comm.id),
            quoted(TARGET)
        );
        self.comm("kernelws_comm_open", comm.metadata.clone(), &head, &state, buffers);
    }

    /// Adds a change of a widget's state, as `Comm::written` has made it.
    fn change(&mut self, comm: &Comm, (state, buffers): (Vec<u8>, Vec<Bytes>)) {
        let head = format!(r#"{{"comm_id":{},"data":{{"method":"update","#, quoted(&comm.id));
        self.comm("comm_msg", Bytes::from_static(b"{}"), &head, &state, buffers);
    }

    /// Adds a change after which a widget captures the output of a request; empty: of none.
    fn capture(&mut self, comm: &Comm, request: &str) {
        let state = format!(r#""state":{{"msg_id":{}}},"buffer_paths":[]"#, quoted(request));
        self.change(comm, (state.into_bytes(), Vec::new()));
    }

    fn comm(&mut self, msg_type: &str, metadata: Bytes, head: &str, state: &[u8], buffers: Vec<Bytes>) {
        let content = Bytes::from([head.as_bytes(), state, b"}}"].concat());
        self.with_buffers(msg_type, metadata, content, buffers);
    }
}

/// The type of the request of the page's future. It never reaches a kernel.
const REQUEST: &str = "kernelws_attach_request";

#[cfg(test)]
mod tests;
