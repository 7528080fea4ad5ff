//! The operations of the simulation. Each can be applied in any state, so that any of them can be left out of a list.

use super::message::Kind;
use crate::proof::random::Random;

/// Something that happens. An index that is too large is taken modulo the number of things that there are.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// A kernel publishes some messages in one batch. `old`: their parent is the cell before the newest.
    Publish {
        kernel: usize,
        kinds: [Kind; 4],
        count: usize,
        filler: usize,
        old: bool,
    },
    /// A message of the process before the restart, which has waited in a socket.
    Late {
        kernel: usize,
        kind: Kind,
    },
    Reply {
        session: usize,
        prompt: bool,
    },
    /// A client runs a cell.
    Submit {
        session: usize,
    },
    /// A client takes the newest execution over, or the one before.
    TakeOver {
        session: usize,
        old: bool,
    },
    /// The reader of an execution reads on. `back`: how many executions before the newest.
    Read {
        kernel: usize,
        back: usize,
    },
    Take {
        session: usize,
        room: u64,
    },
    /// Milliseconds; the clock may also go backwards.
    Tick {
        ms: i32,
    },
    Ping {
        session: usize,
    },
    Pong {
        session: usize,
        which: usize,
    },
    StrayPong {
        session: usize,
        number: u64,
    },
    AcknowledgeAll {
        session: usize,
    },
    Detach {
        session: usize,
        heard: bool,
    },
    Attach {
        session: usize,
        legacy: bool,
    },
    Spill {
        session: usize,
        room: usize,
    },
    /// The disk finishes some of the writes that wait.
    Writes {
        session: usize,
        count: usize,
    },
    DiskFull {
        session: usize,
    },
    DiskLoses {
        session: usize,
        which: usize,
    },
    DiskDamages {
        session: usize,
        which: usize,
    },
    /// A client asks for a restart: old output is dropped, and each session is told later.
    Restart {
        kernel: usize,
    },
    /// The process dies; its output is delivered and the sessions are told.
    Dies {
        kernel: usize,
    },
    Interrupt {
        kernel: usize,
    },
    Cut {
        session: usize,
    },
    DropText {
        session: usize,
    },
    DropDisplay {
        session: usize,
    },
    /// The session ends because of a limit, and begins anew.
    Evict {
        session: usize,
    },
    Configure {
        session: usize,
        merge: bool,
        backlog: u64,
        rate: f64,
        high_water: u64,
        interrupt: u64,
    },
    LimitJournal {
        kernel: usize,
        text: u64,
        memory: u64,
    },
}

impl Op {
    pub fn any(random: &mut Random<'_>) -> Self {
        let session = random.size(4);
        let kernel = session / 2;
        match random.below(64) {
            0..16 => Self::Publish {
                kernel,
                kinds: [0; 4].map(|_| *random.choose(&Kind::PUBLISHED)),
                count: 1 + random.size(4),
                filler: random.size(6),
                old: random.one_in(4),
            },
            16..29 => Self::Take {
                session,
                room: *random.choose(&[1, 1500, 1 << 20]),
            },
            29 => Self::Late {
                kernel,
                kind: *random.choose(&Kind::PUBLISHED),
            },
            30 | 31 => Self::Reply {
                session,
                prompt: random.one_in(2),
            },
            32..35 => Self::Submit { session },
            35 | 36 => Self::Read {
                kernel,
                back: random.size(3),
            },
            37..40 => Self::Tick {
                ms: *random.choose(&[1, 20, 500, 5000, -10, -50_000]),
            },
            40 | 41 => Self::Ping { session },
            42 | 43 => Self::Pong {
                session,
                which: random.size(4),
            },
            44 => Self::StrayPong {
                session,
                number: *random.choose(&[0, 1_000_000, u64::MAX]),
            },
            45 => Self::AcknowledgeAll { session },
            46 | 47 => Self::Detach {
                session,
                heard: random.one_in(2),
            },
            48 | 49 => Self::Attach {
                session,
                legacy: random.one_in(4),
            },
            50 | 51 => Self::Spill {
                session,
                room: *random.choose(&[1, 2000]),
            },
            52 | 53 => Self::Writes {
                session,
                count: 1 + random.size(3),
            },
            54 if random.one_in(2) => Self::DiskFull { session },
            54 if random.one_in(2) => Self::DiskLoses {
                session,
                which: random.size(4),
            },
            54 => Self::DiskDamages {
                session,
                which: random.size(4),
            },
            55 if random.one_in(3) => Self::Restart { kernel },
            55 => Self::Dies { kernel },
            56 => Self::Interrupt { kernel },
            57 => Self::Cut { session },
            58 if random.one_in(2) => Self::DropText { session },
            58 => Self::DropDisplay { session },
            59 if random.one_in(2) => Self::TakeOver {
                session,
                old: random.one_in(2),
            },
            59 if random.one_in(2) => Self::Evict { session },
            60 if random.one_in(4) => Self::LimitJournal {
                kernel,
                text: *random.choose(&[0, 20, 200, 2000]),
                memory: *random.choose(&[10_000, 1 << 20]),
            },
            _ => Self::Configure {
                session,
                merge: random.one_in(2),
                backlog: *random.choose(&[0, 0, 100, 1000]),
                rate: *random.choose(&[0.0, 3.0, 20.0]),
                high_water: *random.choose(&[0, 700, 3000, 1 << 20]),
                interrupt: *random.choose(&[0, 20, 500]),
            },
        }
    }
}
