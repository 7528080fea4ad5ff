//! The messages of the simulation. A number in the content says which one it is.

use crate::batch::Batch;
use crate::flow::sent::Lane;
use crate::flow::testing::batch_of_process;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stream,
    Display,
    Update,
    Busy,
    Idle,
    Error,
    Reply,
    Prompt,
}

impl Kind {
    /// What a kernel publishes; each kind is as frequent as it is here.
    pub const PUBLISHED: [Self; 12] = [
        Self::Stream,
        Self::Stream,
        Self::Stream,
        Self::Stream,
        Self::Stream,
        Self::Stream,
        Self::Display,
        Self::Update,
        Self::Update,
        Self::Busy,
        Self::Idle,
        Self::Error,
    ];

    pub fn msg_type(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Display => "display_data",
            Self::Update => "update_display_data",
            Self::Busy | Self::Idle => "status",
            Self::Error => "error",
            Self::Reply => "execute_reply",
            Self::Prompt => "input_request",
        }
    }

    pub fn channel(self) -> &'static str {
        match self {
            Self::Reply => "shell",
            Self::Prompt => "stdin",
            _ => "iopub",
        }
    }

    pub fn lane(self) -> Lane {
        if self == Self::Reply {
            Lane::Replies
        } else {
            Lane::Iopub
        }
    }
}

/// A message of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub number: u64,
    pub kind: Kind,
    /// The cell whose output it is.
    pub cell: u64,
    /// An index of `FILLERS`.
    pub filler: usize,
    /// Whether its process was restarted before it was written to the client: then it must not be written.
    pub ended: bool,
}

impl Message {
    pub fn parent(&self) -> String {
        parent_of(self.cell)
    }

    /// Of a stream: stdout or stderr. Of a display or an update: which one.
    pub fn name(&self) -> &'static str {
        ["stdout", "stderr"][usize::from(self.number.is_multiple_of(8))]
    }

    /// The text of a stream, as it is written in JSON.
    pub fn text(&self) -> String {
        format!("<{}>{}", self.number, FILLERS[self.filler])
    }

    pub fn content(&self) -> String {
        let (number, name) = (self.number, self.name());
        match self.kind {
            Kind::Stream => format!(r#"{{"name":"{name}","text":"{}"}}"#, self.text()),
            Kind::Display => format!(r#"{{"data":{{"text/plain":"<{number}>"}},"metadata":{{}}}}"#),
            Kind::Update => {
                format!(r#"{{"data":{{"text/plain":"<{number}>"}},"transient":{{"display_id":"{name}"}}}}"#)
            }
            Kind::Busy => format!(r#"{{"execution_state":"busy","n":"<{number}>"}}"#),
            Kind::Idle => format!(r#"{{"execution_state":"idle","n":"<{number}>"}}"#),
            Kind::Error => format!(r#"{{"ename":"<{number}>"}}"#),
            Kind::Reply => format!(r#"{{"status":"ok","n":"<{number}>"}}"#),
            Kind::Prompt => format!(r#"{{"prompt":"<{number}>"}}"#),
        }
    }
}

pub fn parent_of(cell: u64) -> String {
    format!(r#"{{"msg_id":"c{cell}","msg_type":"execute_request"}}"#)
}

pub fn process_name(process: u64) -> String {
    format!("process {process}")
}

/// A batch of messages that a process sends on the channel of the first one.
pub fn batch_of(messages: &[Message], process: u64) -> Batch {
    let texts: Vec<(&str, String, String)> = messages
        .iter()
        .map(|message| (message.kind.msg_type(), message.parent(), message.content()))
        .collect();
    let lines: Vec<_> = texts.iter().map(|line| (line.0, &line.1[..], &line.2[..])).collect();
    batch_of_process(&process_name(process), messages[0].kind.channel(), &lines, &[])
}

/// The numbers in a content, in order.
pub fn numbers(content: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(content).unwrap();
    let number = |rest: &str| rest.split_once('>').unwrap().0.parse().unwrap();
    text.split('<').skip(1).map(number).collect()
}

pub const FILLERS: [&str; 6] = [
    "",
    "x",
    r"\n\\",
    "é😀",
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
    r"\ud83dzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
];
