//! Applies operations to kernels and sessions, and checks after each of them what must always be true.

use super::attach::attach;
use super::kernel::Kernel;
use super::message::{Kind, Message, batch_of, process_name};
use super::op::Op;
use super::session::Session;
use crate::client_wire::Protocol;
use crate::flow::config::Config;
use crate::flow::rate_window::Limits;

/// A mistake that a session could make, to show that the simulation finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Each connect tells of the last restart again.
    TellsAgain,
    /// The first of four messages does not reach the outbox.
    LosesMessage,
    /// Two messages change places.
    Reorders,
}

pub struct World {
    kernels: [Kernel; 2],
    /// Those of the first kernel, then those of the second.
    sessions: [Session; 4],
    now: f64,
    /// The last number that a message, a cell or an event got.
    last: u64,
    steps: u64,
    last_event: u64,
    fault: Option<Fault>,
}

impl World {
    pub fn new(fault: Option<Fault>) -> Self {
        Self {
            kernels: [Kernel::new(), Kernel::new()],
            sessions: std::array::from_fn(|_| Session::new()),
            now: 100.0,
            last: 0,
            steps: 0,
            last_event: 0,
            fault,
        }
    }

    pub fn apply(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Publish {
                kernel,
                kinds,
                count,
                filler,
                old,
            } => {
                let kinds = &kinds[..count];
                self.publish(kernel, kinds, filler, usize::from(old));
            }
            Op::Late { kernel, kind } => self.late(kernel, kind),
            Op::Reply { session, prompt } => {
                let kind = if prompt { Kind::Prompt } else { Kind::Reply };
                let message = self.message(session / 2, kind, 0, 0);
                let batch = batch_of(&[message], self.kernels[session / 2].process);
                self.sessions[session].append(&batch, &[message], now);
            }
            Op::Submit { session } => {
                self.last += 1;
                self.kernels[session / 2].submit(self.last, now);
                self.sessions[session].request();
            }
            Op::TakeOver { session, old } => {
                let kernel = &mut self.kernels[session / 2];
                let cell = kernel.cells[usize::from(old)];
                self.last += attach(&mut self.sessions[session], kernel, cell, self.last);
            }
            Op::Read { kernel, back } => self.kernels[kernel].read(back),
            Op::Take { session, room } => _ = self.sessions[session].take(now, room),
            Op::Tick { ms } => self.now += f64::from(ms) / 1000.0,
            Op::Ping { session } => self.sessions[session].ping(now),
            Op::Pong { session, which } => self.sessions[session].pong(which),
            Op::StrayPong { session, number } => assert!(!self.sessions[session].outbox.acknowledge(number)),
            Op::AcknowledgeAll { session } => self.sessions[session].acknowledge_all(),
            Op::Detach { session, heard } => {
                self.sessions[session].detach(heard);
                assert!(!self.sessions[session].take(now, 1 << 20), "sent without a client");
            }
            Op::Attach { session, legacy } => self.attach(session, legacy),
            Op::Restart { kernel } => self.restart(kernel),
            Op::Dies { kernel } => {
                self.kernels[kernel].end_process(now);
                self.announce(kernel);
            }
            Op::Interrupt { kernel } => {
                for session in &mut self.sessions[2 * kernel..][..2] {
                    session.interrupt();
                }
            }
            Op::LimitJournal { kernel, text, memory } => self.kernels[kernel].limit(text, memory),
            _ => self.apply_to_session(op),
        }
        self.steps += 1;
        let recount = self.steps.is_multiple_of(32);
        self.sessions.iter().for_each(|session| session.check(recount));
        if recount {
            self.kernels.iter().for_each(Kernel::check);
        }
    }

    /// What happens to the memory, the disk and the limits of one session.
    fn apply_to_session(&mut self, op: Op) {
        match op {
            Op::Spill { session, room } => {
                let session = &mut self.sessions[session];
                session.disk.spill(&mut session.outbox, room);
            }
            Op::Writes { session, count } => {
                let session = &mut self.sessions[session];
                session.disk.write(&mut session.outbox, count);
            }
            Op::DiskFull { session } => {
                let session = &mut self.sessions[session];
                session.disk.refuse(&mut session.outbox);
            }
            // The model cannot tell an update that was replaced from one that was lost
            Op::DiskLoses { session, which } if !self.sessions[session].model.updates_wait() => {
                let session = &mut self.sessions[session];
                session.model.lost |= session.disk.lose(&mut session.outbox, which);
            }
            Op::DiskDamages { session, which } if !self.sessions[session].model.updates_wait() => {
                self.sessions[session].disk.damage(which);
            }
            Op::DropDisplay { session } if !self.sessions[session].model.updates_wait() => {
                let session = &mut self.sessions[session];
                session.may_lose |= session.outbox.drop_oldest_display();
            }
            Op::DropText { session } => {
                let session = &mut self.sessions[session];
                session.may_lose |= session.outbox.drop_text();
            }
            Op::Cut { session } => {
                self.sessions[session].outbox.cut();
                self.sessions[session].check_text();
            }
            Op::Evict { session } => self.sessions[session].evict(),
            Op::Configure {
                session,
                merge,
                backlog,
                rate,
                high_water,
                interrupt,
            } => {
                let limits = Limits {
                    messages: rate,
                    bytes: rate * 300.0,
                    window: 1.0,
                };
                self.sessions[session].configure(Config {
                    hold: rate > 0.0,
                    limits,
                    merge_window: if merge { 0.016 } else { 0.0 },
                    backlog_limit: backlog,
                    interrupt_limit: interrupt,
                    memory_limit: 0,
                    high_water,
                });
            }
            _ => {}
        }
    }

    fn message(&mut self, kernel: usize, kind: Kind, cell: usize, filler: usize) -> Message {
        self.last += 1;
        Message {
            number: self.last,
            kind,
            cell: self.kernels[kernel].cells[cell],
            filler,
            ended: false,
        }
    }

    fn publish(&mut self, kernel: usize, kinds: &[Kind], filler: usize, cell: usize) {
        let messages: Vec<Message> = kinds
            .iter()
            .map(|kind| self.message(kernel, *kind, cell, filler))
            .collect();
        let batch = self.kernels[kernel].publish(&messages, self.now);
        let sent = match self.fault {
            Some(Fault::LosesMessage) if messages.len() == 4 => Some(messages[1..].to_vec()),
            Some(Fault::Reorders) if messages.len() == 2 => Some(vec![messages[1], messages[0]]),
            _ => None,
        };
        let batch = sent.map_or(batch, |sent| batch_of(&sent, self.kernels[kernel].process));
        for session in &mut self.sessions[2 * kernel..][..2] {
            session.append(&batch, &messages, self.now);
        }
    }

    fn late(&mut self, kernel: usize, kind: Kind) {
        let Some(process) = self.kernels[kernel].process.checked_sub(1) else {
            return;
        };
        let mut message = self.message(kernel, kind, 1, 0);
        let batch = batch_of(&[message], process);
        for session in &mut self.sessions[2 * kernel..][..2] {
            message.ended = session.ended_process == Some(process);
            session.append(&batch, &[message], self.now);
        }
    }

    fn attach(&mut self, session: usize, legacy: bool) {
        let protocol = if legacy { Protocol::Legacy } else { Protocol::V1 };
        self.sessions[session].attach(protocol);
        if self.fault == Some(Fault::TellsAgain) && self.last_event > 0 {
            self.sessions[session].announce(self.last_event);
        }
    }

    fn restart(&mut self, kernel: usize) {
        let process = self.kernels[kernel].process;
        for session in &mut self.sessions[2 * kernel..][..2] {
            session.end_process(process, &process_name(process));
        }
        self.kernels[kernel].end_process(self.now);
        self.announce(kernel);
    }

    /// Tells the sessions of a kernel that its process has ended.
    fn announce(&mut self, kernel: usize) {
        self.last += 1;
        self.last_event = self.last;
        for session in &mut self.sessions[2 * kernel..][..2] {
            session.announce(self.last);
        }
    }

    pub fn finish(&mut self) {
        for kernel in 0..2 {
            // The gap of a process that was restarted is sent before the next message, so there must be one
            self.publish(kernel, &[Kind::Busy], 0, 0);
            for back in 0..3 {
                self.kernels[kernel].read(back);
            }
        }
        self.kernels.iter().for_each(Kernel::check);
        self.sessions.iter_mut().for_each(|session| session.finish(self.now));
    }
}
