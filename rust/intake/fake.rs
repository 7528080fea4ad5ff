//! A libzmq made of Rust functions, so that the loops are tested without Python, without libzmq and under Miri.
//!
//! It panics when a message is used before it is initialised or after it is closed, and counts open messages, so that a
//! leak or a second close fails the test.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

use libc::EAGAIN;

use super::{Budget, DONTWAIT, Libzmq, Received, Socket, ZmqMessage};
use crate::kernel_wire::frames::Room;

thread_local! {
    static ERRNO: Cell<c_int> = const { Cell::new(0) };
    /// Open messages: how many this thread has initialised minus how many it has closed.
    pub static OPEN: Cell<isize> = const { Cell::new(0) };
}

const INITIALISED: u64 = 0x1417;

/// What the fake stores in the 64 bytes of a `zmq_msg_t`.
#[repr(C)]
struct Inner {
    state: u64,
    content: *mut Content,
    more: bool,
}

struct Content {
    data: Vec<u8>,
    _alive: Arc<()>,
}

pub enum Event {
    Frame(Vec<u8>, bool),
    Errno(c_int),
}

/// Frames that were sent, with their flags.
pub type SentFrames = Vec<(Vec<u8>, c_int)>;

#[derive(Default)]
pub struct FakeSocket {
    pub incoming: VecDeque<Event>,
    /// The results of the next sends: an errno, or 0 for success. When it is empty, sends succeed.
    pub answers: VecDeque<c_int>,
    pub sent: SentFrames,
    /// Cloned into each content, so that its reference count shows how many are not freed.
    pub alive: Arc<()>,
}

extern "C" fn msg_init(message: *mut ZmqMessage) -> c_int {
    OPEN.set(OPEN.get() + 1);
    unsafe {
        message.cast::<Inner>().write(Inner {
            state: INITIALISED,
            content: std::ptr::null_mut(),
            more: false,
        });
    };
    0
}

extern "C" fn msg_recv(message: *mut ZmqMessage, socket: *mut c_void, flags: c_int) -> c_int {
    let (inner, socket) = unsafe { (&mut *message.cast::<Inner>(), &mut *socket.cast::<FakeSocket>()) };
    assert_eq!((inner.state, flags), (INITIALISED, DONTWAIT));
    match socket.incoming.pop_front() {
        Some(Event::Frame(data, more)) => {
            free(inner);
            let content = Content {
                data,
                _alive: Arc::clone(&socket.alive),
            };
            inner.content = Box::into_raw(Box::new(content));
            inner.more = more;
            0
        }
        Some(Event::Errno(errno)) => fail(errno),
        None => fail(EAGAIN),
    }
}

extern "C" fn msg_data(message: *mut ZmqMessage) -> *mut c_void {
    let inner = unsafe { &*message.cast::<Inner>() };
    assert_eq!(inner.state, INITIALISED);
    if inner.content.is_null() {
        std::ptr::null_mut()
    } else {
        unsafe { (*inner.content).data.as_mut_ptr().cast() }
    }
}

extern "C" fn msg_size(message: *const ZmqMessage) -> usize {
    let inner = unsafe { &*message.cast::<Inner>() };
    if inner.content.is_null() {
        0
    } else {
        unsafe { (*inner.content).data.len() }
    }
}

extern "C" fn msg_more(message: *const ZmqMessage) -> c_int {
    c_int::from(unsafe { (*message.cast::<Inner>()).more })
}

extern "C" fn msg_close(message: *mut ZmqMessage) -> c_int {
    let inner = unsafe { &mut *message.cast::<Inner>() };
    assert_eq!(inner.state, INITIALISED, "closed twice or never initialised");
    OPEN.set(OPEN.get() - 1);
    free(inner);
    inner.state = 0;
    0
}

extern "C" fn send(socket: *mut c_void, data: *const c_void, size: usize, flags: c_int) -> c_int {
    let socket = unsafe { &mut *socket.cast::<FakeSocket>() };
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
    match socket.answers.pop_front() {
        None | Some(0) => {
            socket.sent.push((data.to_vec(), flags));
            0
        }
        Some(errno) => fail(errno),
    }
}

extern "C" fn errno() -> c_int {
    ERRNO.get()
}

extern "C" fn version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    unsafe {
        *major = 4;
        *minor = 3;
        *patch = 5;
    }
}

fn free(inner: &mut Inner) {
    if !inner.content.is_null() {
        drop(unsafe { Box::from_raw(inner.content) });
        inner.content = std::ptr::null_mut();
    }
}

fn fail(errno: c_int) -> c_int {
    ERRNO.set(errno);
    -1
}

pub const FAKE: Libzmq = Libzmq {
    msg_init,
    msg_recv,
    msg_data,
    msg_size,
    msg_more,
    msg_close,
    send,
    errno,
    version,
};

impl FakeSocket {
    pub fn with(messages: &[&[&[u8]]]) -> Self {
        let mut socket = Self::default();
        for message in messages {
            socket.arrives(message);
        }
        socket
    }

    pub fn arrives(&mut self, message: &[&[u8]]) {
        for (index, frame) in message.iter().enumerate() {
            self.incoming
                .push_back(Event::Frame(frame.to_vec(), index + 1 < message.len()));
        }
    }

    pub fn fails(&mut self, errno: c_int) {
        self.incoming.push_back(Event::Errno(errno));
    }

    pub fn handle(&mut self) -> Socket {
        Socket((&raw mut *self).expose_provenance())
    }

    pub fn receive(&mut self, budget: Budget) -> Received {
        FAKE.receive(self.handle(), budget, Room::default())
    }

    pub fn contents_alive(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}
