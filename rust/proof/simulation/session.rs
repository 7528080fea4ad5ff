//! A session: its outbox, its disk, and the model of its client. Does what the session in Python does, one step at a time.

use bytes::Bytes;

use super::disk::Disk;
use super::holds;
use super::message::Message;
use super::model::Model;
use crate::batch::Batch;
use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::Opcode;
use crate::client_wire::{Protocol, legacy, v1};
use crate::flow::config::Config;
use crate::flow::entry::Reason;
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{assert_balanced, assert_counted, encoded};
use crate::reader::wide;

pub struct Session {
    pub outbox: Outbox,
    pub model: Model,
    pub disk: Disk,
    pub config: Config,
    pub attached: bool,
    /// The numbers of pings without a pong, each with how many messages were written before it.
    pings: Vec<(u64, usize)>,
    written: usize,
    /// Whether messages may be left out for lack of room.
    pub may_lose: bool,
    /// The last process that a client's restart has ended.
    pub ended_process: Option<u64>,
    interrupted: bool,
    text_bound: u64,
    /// The restart that must be told again after the next connect.
    repeat: Option<u64>,
}

impl Session {
    pub fn new() -> Self {
        let config = Config {
            high_water: 1 << 20,
            ..Config::UNLIMITED
        };
        Self {
            outbox: Outbox::new(Protocol::V1, config),
            model: Model::default(),
            disk: Disk::default(),
            config,
            attached: true,
            pings: Vec::new(),
            written: 0,
            may_lose: false,
            ended_process: None,
            interrupted: false,
            text_bound: u64::MAX,
            repeat: None,
        }
    }

    pub fn configure(&mut self, config: Config) {
        self.config = config;
        self.outbox.configure(config);
        self.may_lose |= config.backlog_limit > 0 || self.interrupted && config.interrupt_limit > 0;
        self.text_bound = self.text_bound.max(self.backlog());
    }

    fn backlog(&self) -> u64 {
        match self.config.backlog_limit {
            0 => u64::MAX,
            limit => limit,
        }
    }

    pub fn append(&mut self, batch: &Batch, messages: &[Message], now: f64) {
        let encoded = encoded(batch, self.outbox.protocol());
        self.outbox.append(&encoded, 0, messages.len(), now);
        for message in messages {
            self.model.append(*message);
        }
        if !self.attached {
            self.check_text();
        }
    }

    /// M4, at each time at which text is cut.
    pub fn check_text(&mut self) {
        let text = self.outbox.stats().text;
        holds!("M4", text <= self.text_bound, "{text} bytes of {}", self.text_bound);
        if text == 0 {
            self.text_bound = self.backlog();
        }
    }

    pub fn announce(&mut self, event: u64) {
        let number = self.model.announce(event);
        let (opcode, payload) = own(self.outbox.protocol(), "a", "{}", &format!(r#"{{"n":"<{number}>"}}"#));
        self.outbox.announce(opcode, &payload);
    }

    /// Sends what can be sent now. False: nothing.
    pub fn take(&mut self, now: f64, room: u64) -> bool {
        match self.outbox.take_messages(now, room) {
            Taken::Frames(frames) => {
                let sum: u64 = frames.pieces.iter().map(|frame| wide(frame.len())).sum();
                assert!(frames.pieces.len() == 1 || sum <= room);
                for frame in &frames.pieces {
                    self.written += 1;
                    self.model
                        .arrives(frame, self.outbox.protocol(), self.config.high_water);
                }
            }
            Taken::Gap(id, gap) => {
                let parent = String::from_utf8(gap.parent.header.to_vec()).unwrap();
                let (opcode, payload) = own(self.outbox.protocol(), "n", &parent, r#"{"text":"notice"}"#);
                let cell = gap.parent.id.as_deref().unwrap_or_default();
                let cell = String::from_utf8(cell.to_vec()).unwrap();
                let told = self.model.gaps.entry(cell).or_default();
                *told = (told.0 + gap.count.messages, told.1 + gap.count.bytes);
                assert!(!self.outbox.fill_gap(id + 1, opcode, &payload));
                assert!(self.outbox.fill_gap(id, opcode, &payload));
            }
            Taken::Block(id) => self.model.lost |= !self.disk.restore(&mut self.outbox, id),
            Taken::Nothing(_) => {
                self.check_text();
                let full = self.outbox.unacknowledged() > 0;
                holds!(
                    "O2",
                    !self.attached || full || !self.model.replies_wait(),
                    "a reply waits"
                );
                return false;
            }
        }
        true
    }

    pub fn ping(&mut self, now: f64) {
        let due = self.outbox.ping_at().is_some_and(|at| at <= now);
        let number = self.outbox.ping_due(now);
        holds!("R6", !due || number.is_some(), "no ping although one is due");
        self.pings.extend(number.map(|number| (number, self.written)));
    }

    pub fn pong(&mut self, which: usize) {
        if let Some((number, upto)) = self.pings.get(which % self.pings.len().max(1)).copied() {
            assert!(self.outbox.acknowledge(number) && !self.outbox.acknowledge(number));
            self.model.acknowledge(self.written - upto);
            self.pings.retain(|(other, _)| *other > number);
        }
    }

    pub fn acknowledge_all(&mut self) {
        self.outbox.acknowledge_all();
        self.model.acknowledge(0);
        self.pings.clear();
    }

    pub fn detach(&mut self, heard: bool) {
        let unsure = self.model.detach(heard);
        holds!(
            "R5",
            self.outbox.detach(heard) == unsure.is_some(),
            "unsure of {unsure:?}"
        );
        self.ended_connection(unsure);
    }

    fn ended_connection(&mut self, unsure: Option<u64>) {
        self.repeat = unsure.or(self.repeat);
        self.attached = false;
        for (number, _) in self.pings.drain(..) {
            assert!(
                !self.outbox.acknowledge(number),
                "a pong of a connection that has ended"
            );
        }
    }

    pub fn attach(&mut self, protocol: Protocol) {
        let unsure = self.model.detach(false);
        holds!(
            "R5",
            self.outbox.attach(protocol) == unsure.is_some(),
            "unsure of {unsure:?}"
        );
        self.ended_connection(unsure);
        self.attached = true;
        if let Some(event) = self.repeat.take() {
            self.announce(event);
        }
    }

    /// The client sends a request to the new process.
    pub fn request(&mut self) {
        self.outbox.withdraw_announcements();
        self.model.withdraw();
        self.repeat = None;
    }

    pub fn interrupt(&mut self) {
        self.outbox.interrupt();
        self.interrupted = true;
        self.may_lose |= self.config.interrupt_limit > 0;
    }

    pub fn end_process(&mut self, process: u64, name: &str) {
        let blocks = self.outbox.end_process(name.as_bytes());
        self.disk.forget(&blocks);
        self.model.end_process(!blocks.is_empty());
        self.ended_process = Some(process);
    }

    /// Ends the session and begins it anew.
    pub fn evict(&mut self) {
        self.outbox.clear(Reason::Closed);
        let stats = self.outbox.stats();
        holds!("M2", stats.disk == 0, "{} bytes are left on the disk", stats.disk);
        holds!("M7", stats.memory == 0 && stats.waiting == 0, "{stats:?}");
        assert_balanced(&self.outbox);
        let (config, attached) = (self.config, self.attached);
        *self = Self::new();
        self.configure(config);
        if !attached {
            self.detach(false);
        }
    }

    /// What is true after each operation.
    pub fn check(&self, recount: bool) {
        assert_balanced(&self.outbox);
        let stats = self.outbox.stats();
        let unacknowledged = [crate::flow::sent::Lane::Iopub, crate::flow::sent::Lane::Replies];
        let unacknowledged: u64 = unacknowledged.iter().map(|lane| self.model.unacknowledged(*lane)).sum();
        assert_eq!((stats.refused, stats.unacknowledged), (0, unacknowledged));
        holds!(
            "M2",
            stats.disk == self.disk.size(),
            "{} bytes of {}",
            stats.disk,
            self.disk.size()
        );
        holds!("M1", stats.memory >= stats.unacknowledged, "{stats:?}");
        if recount {
            assert_counted(&self.outbox);
        }
    }

    /// Everything is sent and acknowledged.
    pub fn finish(&mut self, now: f64) {
        self.attach(self.outbox.protocol());
        self.drain(now);
        let stats = self.outbox.stats();
        let left = (
            stats.waiting,
            stats.memory,
            stats.disk,
            stats.unacknowledged,
            stats.text,
            stats.replay,
        );
        holds!("M7", left == (0, 0, 0, 0, 0, 0), "{left:?} is left");
        self.model.finish(self.may_lose, self.ended_process.is_some());
    }

    fn drain(&mut self, mut now: f64) {
        loop {
            while self.take(now, 1 << 20) {
                self.acknowledge_all();
            }
            self.acknowledge_all();
            match self.outbox.take_messages(now, 1) {
                Taken::Nothing(Some(at)) => now = at,
                Taken::Nothing(None) => break,
                _ => panic!("nothing was left, and now there is something"),
            }
        }
    }
}

/// A message of the server, as a frame's payload.
fn own(protocol: Protocol, id: &str, parent: &str, content: &str) -> (Opcode, Vec<u8>) {
    let header = format!(r#"{{"msg_id":"{id}","msg_type":"status"}}"#);
    let parts = [&header, parent, "{}", content].map(|part| Bytes::from(part.to_owned()));
    let mut gather = Gather::default();
    if protocol == Protocol::V1 {
        v1::encode("iopub", &parts, &mut gather);
        return (Opcode::Binary, gather.into_vec());
    }
    legacy::Encoder::new(Some("iopub"), &parts).unwrap().put(&mut gather);
    (Opcode::Text, gather.into_vec())
}
