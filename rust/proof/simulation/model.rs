//! What one client may get: a few lists, which know nothing of windows, rates, zones or blocks.
//!
//! A message that is sent must be the next one, or the joined text of the next ones, or equal to the one that it repeats.
//! Messages that were skipped are collected; at the end they must be those that the notices have counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::attach::Replayed;
use super::holds;
use super::message::{Kind, Message, numbers};
use crate::client_wire::{ClientMessage, Protocol};
use crate::flow::frame::Frame;
use crate::flow::sent::Lane;
use crate::flow::testing::decode;
use crate::json;
use crate::reader::wide;

/// A message that was written to the client.
struct Written {
    lane: Lane,
    frame: Frame,
    message: ClientMessage,
    protocol: Protocol,
    announcement: Option<usize>,
}

/// A restart that the client is told of, before the message `position`.
struct Announcement {
    event: u64,
    position: usize,
    arrived: bool,
}

#[derive(Default)]
pub struct Model {
    pub appended: [Vec<Message>; 2],
    seen: [usize; 2],
    again: [VecDeque<Written>; 2],
    unacknowledged: VecDeque<Written>,
    /// Number of a replayed message -> what it is.
    replayed: BTreeMap<u64, Replayed>,
    pub missing: Vec<Message>,
    /// What the notices said: messages and bytes of each cell.
    pub gaps: BTreeMap<String, (u64, u64)>,
    announcements: Vec<Announcement>,
    /// Announcements that are not to be sent any more.
    known: BTreeSet<usize>,
    /// Announcements below this number may have been dropped with a block of the disk.
    may_be_dropped: usize,
    /// Events that the client has surely been told of.
    told: BTreeSet<u64>,
    /// Whether a block was lost: then any message may be missing.
    pub lost: bool,
}

fn index(lane: Lane) -> usize {
    usize::from(lane == Lane::Replies)
}

impl Model {
    pub fn append(&mut self, message: Message) {
        self.appended[index(message.kind.lane())].push(message);
    }

    pub fn replay(&mut self, message: Message, replayed: Replayed) {
        self.replayed.insert(message.number, replayed);
        self.append(message);
    }

    /// Returns the number of the announcement.
    pub fn announce(&mut self, event: u64) -> usize {
        self.announcements.push(Announcement {
            event,
            position: self.appended[0].len(),
            arrived: false,
        });
        self.announcements.len() - 1
    }

    pub fn arrives(&mut self, frame: &Frame, protocol: Protocol, high_water: u64) {
        let message = decode(frame);
        let (header, content) = (&message.parts[0], &message.parts[3]);
        let is_prompt = message.channel.as_deref() == Some("stdin");
        let replayed = header.starts_with(br#"{"msg_id":"r"#);
        // A replayed reply stays behind the output before it
        let iopub = message.channel.as_deref() == Some("iopub") || is_prompt || replayed;
        let lane = if iopub { Lane::Iopub } else { Lane::Replies };
        let (waits, size) = (self.unacknowledged(lane), wide(frame.len()));
        holds!(
            "M5",
            waits == 0 || waits + size <= high_water,
            "{waits} and {size} bytes of {high_water}"
        );
        let announcement = header.starts_with(br#"{"msg_id":"a""#).then(|| numbers(content)[0]);
        let announcement = announcement.map(|number| usize::try_from(number).unwrap());
        if let Some(number) = announcement {
            self.is_news(number);
        }
        if let Some(before) = self.again[index(lane)].pop_front() {
            let same = if before.protocol == protocol {
                before.frame.shared_payload() == frame.shared_payload()
            } else {
                before.message.parts == message.parts
            };
            holds!("R3", same, "{:?} was {:?}", message.parts, before.message.parts);
        } else if replayed {
            self.is_next_replayed(&message);
        } else if header.starts_with(br#"{"msg_id":"m""#) {
            self.is_next(lane, &message);
        }
        self.unacknowledged.push_back(Written {
            lane,
            frame: frame.clone(),
            message,
            protocol,
            announcement,
        });
    }

    fn is_news(&mut self, number: usize) {
        let event = self.announcements[number].event;
        holds!("R5", !self.told.contains(&event), "restart {event} is told again");
        self.announcements[number].arrived = true;
        // Messages before it that have not arrived are missing
        let position = self.announcements[number].position;
        self.skip(0, position, None);
    }

    /// Everything before `first` that was not seen is missing, but for updates that `next` replaces.
    fn skip(&mut self, lane: usize, first: usize, next: Option<Message>) {
        let from = self.seen[lane].min(first);
        let skipped = &self.appended[lane][from..first];
        let replaced = next.map_or(0, |next| {
            skipped.iter().rev().take_while(|old| is_replaced(old, &next)).count()
        });
        self.missing.extend(&skipped[..skipped.len() - replaced]);
        self.seen[lane] = self.seen[lane].max(first);
    }

    fn is_next(&mut self, lane: Lane, message: &ClientMessage) {
        let (lane, content) = (index(lane), &message.parts[3]);
        let found = numbers(content);
        let queue = &self.appended[lane];
        let first = queue.partition_point(|message| message.number < found[0]);
        holds!("O1", self.seen[lane] <= first, "{} comes after a later one", found[0]);
        let come = &queue[first..queue.len().min(first + found.len())];
        let are: Vec<u64> = come.iter().map(|message| message.number).collect();
        holds!("C1", are == found, "{found:?} were merged, neighbours are {are:?}");
        let (head, last) = (come[0], first + found.len());
        holds!(
            "L11",
            come.iter().all(|message| !message.ended),
            "{found:?} is of a process that was restarted"
        );
        holds!(
            "C1",
            come.iter()
                .all(|message| (message.kind, message.name()) == (head.kind, head.name())),
            "{come:?}"
        );
        holds!("C1", come.iter().all(|message| message.cell == head.cell), "{come:?}");
        holds!("C2", message.parts[1] == head.parent(), "{:?}", message.parts[1]);
        let expected = if head.kind == Kind::Stream && come.len() > 1 {
            let text: String = come.iter().map(Message::text).collect();
            format!(r#"{{"name":"{}","text":"{text}"}}"#, head.name())
        } else {
            head.content()
        };
        holds!("C2", *content == expected, "{content:?} should be {expected}");
        self.is_after_announcements(lane, first);
        self.skip(lane, first, Some(head));
        self.seen[lane] = last;
    }

    /// O5: announcements come before what was appended after them.
    fn is_after_announcements(&self, lane: usize, first: usize) {
        if lane == 1 || self.lost {
            return;
        }
        let is_late = |at: &usize| {
            let announcement = &self.announcements[*at];
            !announcement.arrived && announcement.position <= first && !self.known.contains(at)
        };
        let found = (self.may_be_dropped..self.announcements.len()).find(is_late);
        holds!(
            "O5",
            found.is_none(),
            "message {first} comes before announcement {found:?}"
        );
    }

    /// A message of a replay. Its msg_id is `r<first number>_<index>`.
    fn is_next_replayed(&mut self, message: &ClientMessage) {
        let id = json::member(&message.parts[0], b"msg_id")
            .and_then(json::decode_string)
            .unwrap();
        let (base, index) = id[1..].split_once('_').unwrap();
        let number = base.parse::<u64>().unwrap() + index.parse::<u64>().unwrap();
        let first = self.appended[0].partition_point(|message| message.number < number);
        holds!("E11", self.seen[0] <= first, "{id} comes after a later message");
        let (head, made) = (self.appended[0][first], &self.replayed[&number]);
        holds!("L11", !head.ended, "{id} is of a process that was restarted");
        holds!(
            "E11",
            made.content == message.parts[3],
            "{id} is {:?}",
            message.parts[3]
        );
        let of = json::member(&message.parts[1], b"msg_id")
            .and_then(json::decode_string)
            .unwrap();
        holds!("E11", of == format!("c{}", head.cell), "{id} is of {of}");
        self.is_after_announcements(0, first);
        self.skip(0, first, None);
        self.seen[0] = first + 1;
    }

    pub fn unacknowledged(&self, lane: Lane) -> u64 {
        self.unacknowledged
            .iter()
            .filter(|written| written.lane == lane)
            .map(|written| wide(written.frame.len()))
            .sum()
    }

    /// Everything but the last `left` messages has arrived.
    pub fn acknowledge(&mut self, left: usize) {
        for written in self
            .unacknowledged
            .drain(..self.unacknowledged.len().saturating_sub(left))
        {
            self.told
                .extend(written.announcement.map(|number| self.announcements[number].event));
        }
    }

    /// The connection has ended. Returns the newest restart of which the client may not know. Announcements are not resent.
    pub fn detach(&mut self, heard: bool) -> Option<u64> {
        let mut unsure = None;
        for written in std::mem::take(&mut self.unacknowledged).into_iter().rev() {
            let Some(number) = written.announcement else {
                self.again[index(written.lane)].push_front(written);
                continue;
            };
            let event = self.announcements[number].event;
            if heard {
                self.told.insert(event);
            } else if !self.known.contains(&number) {
                unsure = unsure.max(Some(event));
            }
            self.known.insert(number);
        }
        unsure
    }

    /// The client works with the new process: it need not be told.
    pub fn withdraw(&mut self) {
        self.known.extend(0..self.announcements.len());
        self.told
            .extend(self.announcements.iter().map(|announcement| announcement.event));
    }

    /// `from_disk`: whole blocks were dropped, and with them earlier announcements. This restart is announced next.
    pub fn end_process(&mut self, from_disk: bool) {
        if from_disk {
            self.may_be_dropped = self.announcements.len();
        }
        let seen = self.seen[0];
        self.appended[0][seen..]
            .iter_mut()
            .for_each(|message| message.ended = true);
    }

    /// Whether an update has not been seen. One that was replaced and one that was left out look the same here.
    pub fn updates_wait(&self) -> bool {
        self.appended[0][self.seen[0]..]
            .iter()
            .any(|message| message.kind == Kind::Update)
    }

    pub fn replies_wait(&self) -> bool {
        self.seen[1] < self.appended[1].len() || !self.again[1].is_empty()
    }

    /// After everything was taken: compares what is missing with what the notices said.
    pub fn finish(&mut self, may_lose: bool, ended: bool) {
        for lane in [0, 1] {
            let end = self.appended[lane].len();
            self.skip(lane, end, None);
        }
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for message in &self.missing {
            holds!("L3", message.kind.lane() == Lane::Iopub, "{message:?} is missing");
            let may_go = matches!(message.kind, Kind::Stream | Kind::Display) && may_lose;
            holds!("L1", self.lost || message.ended || may_go, "{message:?} is missing");
            let count = expected.entry(format!("c{}", message.cell)).or_default();
            let (messages, text) = match self.replayed.get(&message.number) {
                Some(replayed) => (replayed.messages, replayed.text),
                None => (1, wide(message.text().len())),
            };
            *count = (count.0 + messages, count.1 + text);
        }
        let sum = |counts: &BTreeMap<String, (u64, u64)>| counts.values().map(|count| count.0).sum::<u64>();
        holds!(
            "L4",
            sum(&expected) == sum(&self.gaps),
            "{expected:?} is missing, {:?} is told",
            self.gaps
        );
        if self.missing.iter().all(|message| message.kind == Kind::Stream) && !self.lost && !ended {
            holds!(
                "L4",
                expected == self.gaps,
                "{expected:?} is missing, {:?} is told",
                self.gaps
            );
        }
    }
}

fn is_replaced(old: &Message, next: &Message) -> bool {
    let is_update = old.kind == Kind::Update && next.kind == Kind::Update;
    is_update && !old.ended && (old.cell, old.name()) == (next.cell, next.name())
}
