//! Takes the kernel's messages of one execution: output goes to its log, the rest changes its state.
//!
//! Must not know other executions. Cost: see `Log` for output.

use std::sync::Arc;

use bytes::Bytes;

use super::displays;
use super::execution::{Event, Execution, Prompt};
use crate::batch::{Batch, Message, content_of};
use crate::flow::entry::Entry;
use crate::kernel_wire::header::Text;

impl Execution {
    /// Takes one message. Returns id and place of a display. Kernels of protocol 4 have other names for some types.
    pub fn take(
        &mut self,
        batch: &Batch,
        message: &Message,
        entry: Entry,
        text_limit: u64,
        now: f64,
    ) -> Option<(Arc<[u8]>, u64)> {
        let parts = batch.parts(message);
        let content = content_of(parts);
        match (message.msg_type(), batch.channel()) {
            ("status", "iopub") => {
                if let Some(event) = event_of(message) {
                    self.on(event, now);
                }
            }
            ("execute_input" | "pyin", "iopub") => self.begin(content, now),
            ("execute_reply", "shell") => self.reply(content, entry),
            ("input_request", "stdin") if !self.state.is_over() => self.ask(prompt_of(message, parts)),
            (msg_type, "iopub") if self.log.take(message, parts, entry, text_limit) => match msg_type {
                "error" | "pyerr" => self.fail(),
                "display_data" | "execute_result" | "pyout" => {
                    return displays::id_in(content).map(|id| (id, self.log.newest()));
                }
                _ => {}
            },
            _ => {}
        }
        None
    }
}

/// What a status says of the execution that is its parent.
fn event_of(message: &Message) -> Option<Event> {
    match message.fields()?.execution_state.as_ref()?.as_str() {
        "busy" => Some(Event::Begins),
        "idle" => Some(Event::Idle),
        _ => None,
    }
}

fn prompt_of(message: &Message, parts: &[Bytes]) -> Prompt {
    let id = message.fields().and_then(|fields| fields.header.msg_id.as_ref());
    let header = parts.first().map_or(&b""[..], |header| header);
    Prompt {
        id: id.map_or("", Text::as_str).into(),
        header: Bytes::copy_from_slice(header),
        content: Bytes::copy_from_slice(content_of(parts)),
    }
}
