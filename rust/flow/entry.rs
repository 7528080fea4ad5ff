//! What waits in an outbox: messages, and marks where some were left out.
//!
//! Only what rules ask of a message is kept besides its frame; nothing is decided here.

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

/// The memory of the parents of one outbox. A parent adds its own when it is made and takes it away when it is dropped, so
/// that one that many messages and gaps share counts once, and as long as any of them is there.
#[derive(Clone, Debug, Default)]
pub struct ParentMemory(Arc<AtomicU64>);

impl ParentMemory {
    /// Bytes.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The parent of messages that can be left out: the same one for all of them, so that it is kept once.
#[derive(Debug)]
pub struct Parent {
    /// Its msg_id, if it has one.
    pub id: Option<Box<[u8]>>,
    /// The parent_header, as the kernel wrote it.
    pub header: Bytes,
    memory: ParentMemory,
}

impl Parent {
    /// One with a copy of this header, counted in `memory`.
    pub fn new(id: Option<&[u8]>, header: &[u8], memory: &ParentMemory) -> Arc<Self> {
        let parent = Self {
            id: id.map(Box::from),
            header: Bytes::copy_from_slice(header),
            memory: memory.clone(),
        };
        memory.0.fetch_add(parent.weight(), Ordering::Relaxed);
        Arc::new(parent)
    }

    /// That of a message; `last` itself, if it is the same.
    pub fn of(message: &Message, parts: &[Bytes], last: Option<Arc<Self>>, memory: &ParentMemory) -> Arc<Self> {
        let id = message.fields().and_then(|fields| fields.parent.msg_id.as_ref());
        let id = id.map(Text::as_bytes);
        let header = parts.get(1).map_or(&b"{}"[..], |header| &header[..]);
        match last {
            Some(last) if last.key() == id.unwrap_or(header) && last.id.is_some() == id.is_some() => last,
            _ => Self::new(id, header, memory),
        }
    }

    /// For a message that has none.
    pub fn empty(memory: &ParentMemory) -> Arc<Self> {
        Self::new(None, b"{}", memory)
    }

    /// Its memory: itself with the counts of its `Arc`, its id and its header, each a block of the allocator's.
    pub(super) fn weight(&self) -> u64 {
        let own = size_of::<Self>() + 2 * size_of::<usize>();
        let id = self.id.as_ref().map_or(0, |id| id.len() + BLOCK_UPKEEP);
        wide(own + id + self.header.len() + 2 * BLOCK_UPKEEP)
    }

    /// What parents are told apart by.
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

/// What rules ask of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It never gives way.
    Plain,
    /// `stream`
    Stream,
    /// `display_data`
    Display,
    /// `update_display_data`
    Update,
    /// `input_request`
    Prompt,
    /// Of the server itself.
    Own,
    /// Of the server itself, and told once: `restarting` or `dead`.
    Announcement,
}

impl Kind {
    /// By its name.
    pub fn of(msg_type: &str) -> Self {
        match msg_type {
            "stream" => Self::Stream,
            "display_data" => Self::Display,
            "update_display_data" => Self::Update,
            _ => Self::Plain,
        }
    }
}

/// A message that waits, or that was written and is not acknowledged.
#[derive(Clone)]
pub struct Entry {
    /// Itself.
    pub frame: Frame,
    /// What it is encoded for.
    pub protocol: Protocol,
    /// What the rate window counts.
    pub class: Class,
    /// What rules ask.
    pub kind: Kind,
    /// It was written once: it is never merged, cut or dropped again.
    pub written: bool,
    /// Whether `text` was measured; else it is the length of the content.
    pub measured: bool,
    /// How many messages of the kernel it stands for.
    pub messages: u64,
    /// Bytes of `stream` text between the quotes, as the kernel wrote them. Of an announcement its number: they ascend.
    pub text: u64,
    /// Of a message that can give way.
    pub parent: Option<Arc<Parent>>,
}

impl Entry {
    /// A message that never gives way.
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

    /// What is missing if it is left out: the text of a `stream`, else the message's bytes.
    pub fn content_bytes(&self) -> u64 {
        match self.kind {
            Kind::Stream => self.text,
            _ => wide(self.frame.payload_len()),
        }
    }

    /// Whether the process that published it may end without it being shown.
    pub fn is_unsent_output(&self) -> bool {
        !self.written && !self.is_from_server()
    }

    /// Whether the server made it.
    pub fn is_from_server(&self) -> bool {
        matches!(self.kind, Kind::Own | Kind::Announcement)
    }

    /// Text that counts for the backlog.
    pub fn unsent_text(&self) -> u64 {
        if self.written || self.kind == Kind::Announcement {
            0
        } else {
            self.text
        }
    }
}

/// Why messages were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They came faster than the limits let them leave.
    Rate,
    /// The client did not acknowledge what it was sent.
    SlowClient,
    /// Nobody was connected.
    Detached,
    /// The outbox was full.
    Full,
    /// A block could not be read back.
    Lost,
    /// A client asked for a restart, and they were of the process before.
    Restarted,
    /// Their execution was interrupted.
    Interrupted,
    /// The session ended.
    Closed,
}

impl Reason {
    /// All of them, in the order of `Stats::left_out`.
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

    /// One short stable word for counters and tests.
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

/// How much was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages, as the kernel sent them.
    pub messages: u64,
    /// See `Entry::content_bytes`.
    pub bytes: u64,
}

impl Count {
    /// That of one entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            messages: entry.messages,
            bytes: entry.content_bytes(),
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    /// Adds another that may be anything.
    pub fn saturating_add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The place where messages of one parent were left out.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Whose messages.
    pub parent: Arc<Parent>,
    /// How many.
    pub count: Count,
    /// Why the first of them was.
    pub reason: Reason,
}

/// What can stand at a place in a lane.
pub enum Item {
    /// A message.
    Message(Entry),
    /// Messages are missing here.
    Gap(Gap),
    /// A message that was counted in a gap before it.
    Hole,
}

/// A place in a lane. Numbers ascend.
pub struct Slot {
    /// The number.
    pub seq: u64,
    /// What stands there.
    pub item: Item,
}

/// What an allocator adds to a block: 8 bytes, and up to 15 to the next multiple of 16 (glibc).
const BLOCK_UPKEEP: usize = 24;
