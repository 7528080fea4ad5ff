//! What an outbox knows of the kernel's process: the one that was replaced, and the execution that it is at.
//!
//! Facts only, read from messages as they come; `ended` and `interrupt` decide what they mean for what waits. Cost: one
//! comparison a message, a copy of an id a cell.

use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Count, Gap, Parent, ParentMemory, Reason};
use crate::batch::Message;
use crate::kernel_wire::header::Text;

/// The process that ended, and what of its output has no place yet.
pub struct Ended {
    session: Box<[u8]>,
    count: Count,
    parent: Option<Arc<Parent>>,
}

impl Ended {
    /// The process that spoke as `session`; what has no place yet, and whose it is.
    pub fn new(session: &[u8], count: Count, parent: Option<Arc<Parent>>) -> Self {
        Self {
            session: session.into(),
            count,
            // Without a gap it would be memory that nothing lets go of
            parent: parent.filter(|_| count.messages > 0),
        }
    }

    /// Whether a message comes from it. A session that a kernel has copied from the request, as some do, is the client's and
    /// says nothing.
    pub fn is_author_of(&self, message: &Message) -> bool {
        message.fields().is_some_and(|fields| {
            let session = fields.header.session.as_ref();
            session.is_some_and(|session| session.as_bytes() == &*self.session)
                && session != fields.parent.session.as_ref()
        })
    }

    /// Cursors a message of it that has no place.
    pub fn count(&mut self, count: Count, message: &Message, parts: &[Bytes], memory: &ParentMemory) {
        self.count.add(count);
        self.parent = Some(Parent::of(message, parts, self.parent.take(), memory));
    }

    /// The gap of what has no place yet, None without any.
    pub fn take_gap(&mut self, memory: &ParentMemory) -> Option<Gap> {
        (self.count.messages > 0).then(|| Gap {
            parent: self.parent.take().unwrap_or_else(|| Parent::empty(memory)),
            count: std::mem::take(&mut self.count),
            reason: Reason::Restarted,
        })
    }

    /// Of the gap that has no place yet.
    #[cfg(test)]
    pub(super) fn parent(&self) -> Option<&Arc<Parent>> {
        self.parent.as_ref()
    }
}

/// One execution, by the id of its request.
pub struct Execution {
    id: Box<[u8]>,
    interrupted: bool,
    ended: bool,
}

impl Execution {
    /// The id of its request.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// It is interrupted, if the kernel is still at it.
    pub fn interrupt(&mut self) {
        self.interrupted = !self.ended;
    }

    /// Notes in `last` which execution the kernel is at. True: the one there has ended, and was interrupted.
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

/// The id of the execution that a status is about, and whether it says that it has ended.
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
