//! The items of a queue: messages, and gaps where messages were dropped.
//!
//! An entry is a frame and the properties that the rules of the outbox need. Must not decide what happens to a message.

use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::frame::Frame;
use super::pacing::Class;
use crate::batch::Message;
use crate::client_wire::Protocol;
use crate::kernel_wire::header::Text;
use crate::reader::wide;

/// The total memory of the parents of one outbox. A parent adds its size when it is created and subtracts it when it is
/// freed. So a parent that many messages and gaps share counts once, until the last of them is freed.
#[derive(Clone, Debug, Default)]
pub struct ParentMemory(Arc<AtomicU64>);

impl ParentMemory {
    /// The total in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The parent of messages that can be dropped. Messages with the same parent share one.
#[derive(Debug)]
pub struct Parent {
    /// The msg_id, if the parent_header has one.
    pub id: Option<Box<[u8]>>,
    /// The parent_header, as the kernel wrote it.
    pub header: Bytes,
    memory: ParentMemory,
}

impl Parent {
    /// A parent with a copy of `header`, counted in `memory`.
    pub fn new(id: Option<&[u8]>, header: &[u8], memory: &ParentMemory) -> Arc<Self> {
        let parent = Self {
            id: id.map(Box::from),
            header: Bytes::copy_from_slice(header),
            memory: memory.clone(),
        };
        memory.0.fetch_add(parent.weight(), Ordering::Relaxed);
        Arc::new(parent)
    }

    /// The parent of a message: `last`, if that is the same parent, else a new one.
    pub fn of(message: &Message, parts: &[Bytes], last: Option<Arc<Self>>, memory: &ParentMemory) -> Arc<Self> {
        let id = message.fields().and_then(|fields| fields.parent.msg_id.as_ref());
        let id = id.map(Text::as_bytes);
        let header = parts.get(1).map_or(&b"{}"[..], |header| &header[..]);
        match last {
            Some(last) if last.key() == id.unwrap_or(header) && last.id.is_some() == id.is_some() => last,
            _ => Self::new(id, header, memory),
        }
    }

    /// The parent of messages whose parent is not known.
    pub fn empty(memory: &ParentMemory) -> Arc<Self> {
        Self::new(None, b"{}", memory)
    }

    /// Bytes of memory: the struct with the counters of its `Arc`, the id and the header, with the overhead of the allocator.
    pub(super) fn weight(&self) -> u64 {
        let own = size_of::<Self>() + 2 * size_of::<usize>();
        let id = self.id.as_ref().map_or(0, |id| id.len() + BLOCK_UPKEEP);
        wide(own + id + self.header.len() + 2 * BLOCK_UPKEEP)
    }

    /// The msg_id, or the header if it has no msg_id. Parents with the same key are equal.
    fn key(&self) -> &[u8] {
        self.id.as_deref().unwrap_or(&self.header)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.weight(), Ordering::Relaxed);
    }
}

impl PartialEq for Parent {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Parent {}

impl Hash for Parent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// How the rules treat a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any other message of the kernel. It is not dropped when the outbox is too full.
    Plain,
    /// `stream`
    Stream,
    /// `display_data`
    Display,
    /// `update_display_data`
    Update,
    /// `input_request`
    Prompt,
    /// A message of the server itself.
    Own,
    /// A status `restarting` or `dead` that the server itself sends. It is not repeated once the client knows it.
    Announcement,
}

impl Kind {
    /// The kind of an IOPub message with this `msg_type`.
    pub fn of(msg_type: &str) -> Self {
        match msg_type {
            "stream" => Self::Stream,
            "display_data" => Self::Display,
            "update_display_data" => Self::Update,
            _ => Self::Plain,
        }
    }
}

/// A queued or unacknowledged message.
#[derive(Clone)]
pub struct Entry {
    /// The encoded message.
    pub frame: Frame,
    /// The subprotocol for which it is encoded.
    pub protocol: Protocol,
    /// How the rate window counts it.
    pub class: Class,
    /// How the rules treat it.
    pub kind: Kind,
    /// Whether it was already written to a WebSocket. Then it is not merged or dropped any more.
    pub written: bool,
    /// Whether `text` is exact; if not, it is the length of the content.
    pub measured: bool,
    /// How many messages of the kernel were merged into it; 1 if none.
    pub messages: u64,
    /// Bytes of `stream` text between the quotes, as the kernel wrote them. For an announcement, its ascending number. For another
    /// message in a journal, the bytes of its content, which are the same in both subprotocols.
    pub text: u64,
    /// The parent of a message that can be dropped.
    pub parent: Option<Arc<Parent>>,
}

impl Entry {
    /// A message of the kind `Plain`.
    pub fn plain(frame: Frame, protocol: Protocol, class: Class) -> Self {
        Self {
            frame,
            protocol,
            class,
            kind: Kind::Plain,
            written: false,
            measured: true,
            messages: 1,
            text: 0,
            parent: None,
        }
    }

    /// The bytes that a notice reports if this message is dropped: those of the text of a `stream`; of the content in a journal;
    /// else of the payload.
    pub fn content_bytes(&self) -> u64 {
        match self.kind {
            Kind::Stream => self.text,
            Kind::Display if self.text > 0 => self.text,
            _ => wide(self.frame.payload_len()),
        }
    }

    /// Whether it is output of the kernel that was never written.
    pub fn is_unsent_output(&self) -> bool {
        !self.written && !self.is_from_server()
    }

    /// Whether it is a message of the server itself.
    pub fn is_from_server(&self) -> bool {
        matches!(self.kind, Kind::Own | Kind::Announcement)
    }

    /// Bytes of text that count towards the backlog limit.
    pub fn unsent_text(&self) -> u64 {
        if self.written || self.kind != Kind::Stream {
            0
        } else {
            self.text
        }
    }
}

/// Why messages were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The rate limits delayed them, and too much was queued.
    Rate,
    /// The client acknowledged too slowly, and too much was queued.
    SlowClient,
    /// No client was connected, and too much was queued.
    Detached,
    /// The memory limit was reached.
    Full,
    /// A block could not be read from the disk.
    Lost,
    /// A client asked for a restart, and they were output of the old process.
    Restarted,
    /// Their cell was interrupted.
    Interrupted,
    /// The session ended.
    Closed,
}

impl Reason {
    /// All reasons, in the order of `Stats::left_out`.
    pub const ALL: [Self; 8] = [
        Self::Rate,
        Self::SlowClient,
        Self::Detached,
        Self::Full,
        Self::Lost,
        Self::Restarted,
        Self::Interrupted,
        Self::Closed,
    ];

    /// A short name for counters and tests. It does not change between versions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::SlowClient => "slow_client",
            Self::Detached => "detached",
            Self::Full => "full",
            Self::Lost => "lost",
            Self::Restarted => "restarted",
            Self::Interrupted => "interrupted",
            Self::Closed => "closed",
        }
    }
}

/// A number of messages and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages, as the kernel sent them.
    pub messages: u64,
    /// Bytes as in `Entry::content_bytes`.
    pub bytes: u64,
}

impl Count {
    /// The count of one entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            messages: entry.messages,
            bytes: entry.content_bytes(),
        }
    }

    /// Adds another count.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    /// Adds a count from untrusted input: saturates instead of overflowing.
    pub fn saturating_add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Marks the place in a lane where messages were dropped, usually those of one parent. When it is next to be sent, a notice
/// replaces it.
#[derive(Clone, Debug)]
pub struct Gap {
    /// The parent of the dropped messages, or of one of them.
    pub parent: Arc<Parent>,
    /// How many messages and bytes were dropped.
    pub count: Count,
    /// Why the first of them was dropped.
    pub reason: Reason,
}

/// The content of a slot.
pub enum Item {
    /// A message.
    Message(Entry),
    /// Messages were dropped here.
    Gap(Gap),
    /// A message was dropped here, and an earlier gap counts it.
    Hole,
}

/// An item of a lane with its number.
pub struct Slot {
    /// The number. Numbers ascend within a lane.
    pub seq: u64,
    /// The message, gap or hole.
    pub item: Item,
}

/// The overhead of an allocation in bytes: 8, and up to 15 for rounding up to a multiple of 16 (glibc).
const BLOCK_UPKEEP: usize = 24;
