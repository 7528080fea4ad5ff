//! State of the kernel process that an outbox tracks: the process that was replaced, and the current execution.
//!
//! Reads it from messages as they arrive. Must not drop messages: `ended` and `interrupt` do. Cost: two comparisons for
//! each message, and a copy of one id for each cell.

use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Count, Gap, Parent, ParentMemory, Reason};
use crate::batch::Message;
use crate::kernel_wire::header::Text;

/// A process that was replaced, and the count of its dropped messages that are not in a gap yet.
pub struct Ended {
    session: Box<[u8]>,
    count: Count,
    parent: Option<Arc<Parent>>,
}

impl Ended {
    /// The process with the `header.session` `session`; `count` messages of `parent` are not in a gap yet.
    pub fn new(session: &[u8], count: Count, parent: Option<Arc<Parent>>) -> Self {
        Self {
            session: session.into(),
            count,
            // If no messages are counted, there is no gap, and nothing would free the parent
            parent: parent.filter(|_| count.messages > 0),
        }
    }

    /// Whether the process sent the message. Some kernels copy `header.session` from the request; then it is the client's and
    /// does not identify the process.
    pub fn is_author_of(&self, message: &Message) -> bool {
        message.fields().is_some_and(|fields| {
            let session = fields.header.session.as_ref();
            session.is_some_and(|session| session.as_bytes() == &*self.session)
                && session != fields.parent.session.as_ref()
        })
    }

    /// Counts a dropped message of the process.
    pub fn count(&mut self, count: Count, message: &Message, parts: &[Bytes], memory: &ParentMemory) {
        self.count.add(count);
        self.parent = Some(Parent::of(message, parts, self.parent.take(), memory));
    }

    /// Whether it has counted messages whose gap is still to be appended.
    pub fn has_gap(&self) -> bool {
        self.count.messages > 0
    }

    /// The gap of the messages counted since the last one; None if there are none.
    pub fn take_gap(&mut self, memory: &ParentMemory) -> Option<Gap> {
        self.has_gap().then(|| Gap {
            parent: self.parent.take().unwrap_or_else(|| Parent::empty(memory)),
            count: std::mem::take(&mut self.count),
            reason: Reason::Restarted,
        })
    }

    /// The parent of the next gap.
    #[cfg(any(test, fuzzing))]
    pub(super) fn parent(&self) -> Option<&Arc<Parent>> {
        self.parent.as_ref()
    }
}

/// One execution.
pub struct Execution {
    id: Box<[u8]>,
    interrupted: bool,
    ended: bool,
}

impl Execution {
    /// The msg_id of its request.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// Marks the execution as interrupted, unless it has ended.
    pub fn interrupt(&mut self) {
        self.interrupted = !self.ended;
    }

    /// Updates `last` from a status. True: the execution has just ended and was interrupted.
    pub fn note(last: &mut Option<Self>, message: &Message) -> bool {
        let Some((id, idle)) = state_of_execution(message) else {
            return false;
        };
        match last {
            Some(execution) if &*execution.id == id.as_bytes() => {
                execution.ended = idle;
                idle && std::mem::take(&mut execution.interrupted)
            }
            _ if idle => false,
            _ => {
                *last = Some(Self {
                    id: id.as_bytes().into(),
                    interrupted: false,
                    ended: false,
                });
                false
            }
        }
    }
}

/// The msg_id of the execution that a status belongs to, and whether it has ended.
fn state_of_execution(message: &Message) -> Option<(&Text, bool)> {
    let fields = message.fields()?;
    let state = fields.execution_state.as_ref()?.as_bytes();
    let of_execution = fields.parent.msg_type.as_ref()?.as_bytes() == b"execute_request";
    let known = of_execution && (state == b"busy" || state == b"idle");
    fields
        .parent
        .msg_id
        .as_ref()
        .filter(|_| known)
        .map(|id| (id, state == b"idle"))
}
