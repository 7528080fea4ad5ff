//! Receives from and sends on a libzmq socket that Python owns, through the libzmq that Python has already loaded.
//!
//! The only unsafe code of the crate. It must not open, close or configure a socket, must not load a second libzmq (two
//! in one process crash), and knows neither Python nor what a message means.
//!
//! Strategy: `dlopen(RTLD_NOLOAD)` on pyzmq's extension module finds the functions that pyzmq itself calls, also when
//! they live in a library that the module depends on. Frames below [`KEEP_FROM`] are copied into the arena that the
//! frames of one call share; larger ones stay where libzmq put them and are closed with the last [`Bytes`] that shows
//! them. (Smaller ones are not worth it: libzmq cuts them out of receive buffers of 8 KiB that they would keep alive.)
//!
//! **What the caller promises**, because no type can: a [`Socket`] is an open socket for the length of the call and no
//! other thread uses or closes it meanwhile. The one caller, `rust/python/intake.rs`, asks pyzmq whether the socket is
//! closed and calls in here without releasing the GIL, under which pyzmq closes sockets. The module says `gil_used`, so
//! that a free-threaded Python has a GIL too.
//!
//! Cost: about 50 ns a frame on top of libzmq's own work.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::path::PathBuf;

use bytes::Bytes;
use libc::{EAGAIN, EINTR, EINVAL};

use crate::kernel_wire::frames::{Frames, FramesBuilder, KEEP_FROM};

/// The address of an open libzmq socket, as pyzmq's `Socket.underlying` tells it. See the promise above.
#[derive(Clone, Copy)]
pub struct Socket(pub usize);

/// What one call may receive. It ends after the message that spends either, so it always receives at least one.
#[derive(Clone, Copy)]
pub struct Budget {
    /// At most so many messages.
    pub messages: usize,
    /// At most so many bytes of frames, and what the last message has beyond them.
    pub bytes: usize,
}

/// Whole multipart messages in the order of arrival, and why there are no more of them.
pub struct Received {
    /// Whole messages only.
    pub frames: Frames,
    /// Why there are no more.
    pub stop: Stop,
}

/// Why a receive loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing waits: the next message makes the socket's descriptor readable.
    Drained,
    /// More may wait: the edge-triggered descriptor need not say so.
    BudgetSpent,
    /// libzmq's error number. A message that was cut by it is dropped, the whole ones before it are kept.
    Failed(c_int),
}

/// The functions of the libzmq in this process.
#[derive(Clone, Copy)]
pub struct Libzmq {
    msg_init: unsafe extern "C" fn(*mut ZmqMessage) -> c_int,
    msg_recv: unsafe extern "C" fn(*mut ZmqMessage, *mut c_void, c_int) -> c_int,
    msg_data: unsafe extern "C" fn(*mut ZmqMessage) -> *mut c_void,
    msg_size: unsafe extern "C" fn(*const ZmqMessage) -> usize,
    msg_more: unsafe extern "C" fn(*const ZmqMessage) -> c_int,
    msg_close: unsafe extern "C" fn(*mut ZmqMessage) -> c_int,
    send: unsafe extern "C" fn(*mut c_void, *const c_void, usize, c_int) -> c_int,
    errno: unsafe extern "C" fn() -> c_int,
    version: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int),
}

impl Libzmq {
    /// Finds the functions through `library`, the file of an extension module that is loaded and linked to libzmq 4
    /// (an older one has other messages).
    #[cfg(unix)]
    pub fn load(library: PathBuf) -> Result<Self, Unavailable> {
        use std::os::unix::ffi::OsStringExt;

        let file = std::ffi::CString::new(library.into_os_string().into_vec()).map_err(|_| Unavailable::NotLoaded)?;
        // SAFETY: `file` ends with a NUL. NOLOAD runs no initialiser: the file is already part of the process or the
        // answer is null. The handle is never closed, so what it leads to stays valid for as long as the process.
        let handle = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
        if handle.is_null() {
            return Err(Unavailable::NotLoaded);
        }
        // SAFETY: `handle` is open, and each field's type is the declaration of that function in zmq.h (libzmq 4).
        let libzmq = unsafe {
            Self {
                msg_init: symbol(handle, c"zmq_msg_init")?,
                msg_recv: symbol(handle, c"zmq_msg_recv")?,
                msg_data: symbol(handle, c"zmq_msg_data")?,
                msg_size: symbol(handle, c"zmq_msg_size")?,
                msg_more: symbol(handle, c"zmq_msg_more")?,
                msg_close: symbol(handle, c"zmq_msg_close")?,
                send: symbol(handle, c"zmq_send")?,
                errno: symbol(handle, c"zmq_errno")?,
                version: symbol(handle, c"zmq_version")?,
            }
        };
        match libzmq.version() {
            (4, _, _) => Ok(libzmq),
            (major, minor, patch) => Err(Unavailable::Version(major, minor, patch)),
        }
    }

    /// There is no way to ask for the functions behind a loaded module here.
    #[cfg(not(unix))]
    pub fn load(_library: PathBuf) -> Result<Self, Unavailable> {
        Err(Unavailable::Platform)
    }

    /// Major, minor and patch number.
    pub fn version(&self) -> (c_int, c_int, c_int) {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: zmq_version writes three ints and has no other effect.
        unsafe { (self.version)(&raw mut major, &raw mut minor, &raw mut patch) };
        (major, minor, patch)
    }

    /// Receives without blocking until nothing waits, the budget is spent or libzmq reports an error.
    pub fn receive(&self, socket: Socket, budget: Budget) -> Received {
        let (mut frames, mut frame) = (FramesBuilder::default(), ZmqFrame::new(*self));
        let (mut messages, mut bytes) = (0, 0_usize);
        let stop = loop {
            match frame.receive_message(socket, &mut frames) {
                Ok(size) => (messages, bytes) = (messages + 1, bytes.saturating_add(size)),
                Err(EAGAIN) => break Stop::Drained,
                Err(errno) => break Stop::Failed(errno),
            }
            if messages >= budget.messages || bytes >= budget.bytes {
                break Stop::BudgetSpent;
            }
        };
        let frames = frames.finish();
        Received { frames, stop }
    }

    /// Sends one multipart message without blocking; false says that it would block and nothing of it was sent.
    ///
    /// libzmq takes a message whole once it took its first frame, except that a pipe can end in between (the peer
    /// disconnected). A DEALER then answers EAGAIN once and swallows the frames that are left, so they are given to it:
    /// otherwise it would swallow the beginning of the next message. A message without frames is EINVAL.
    pub fn send(&self, socket: Socket, frames: &[&[u8]]) -> Result<bool, c_int> {
        let (last, first) = frames.split_last().ok_or(EINVAL)?;
        let mut taken = true;
        for (index, frame) in first.iter().enumerate() {
            match self.send_frame(socket, frame, DONTWAIT | SNDMORE) {
                Err(EAGAIN) if index == 0 => return Ok(false),
                Err(EAGAIN) => taken = false,
                other => other?,
            }
        }
        match self.send_frame(socket, last, DONTWAIT) {
            Err(EAGAIN) => Ok(false),
            other => other.map(|()| taken),
        }
    }

    fn send_frame(&self, socket: Socket, frame: &[u8], flags: c_int) -> Result<(), c_int> {
        // SAFETY: the caller's promise about `socket`; zmq_send only reads `frame.len()` bytes, before it returns.
        self.retry(|| unsafe { (self.send)(socket.pointer(), frame.as_ptr().cast(), frame.len(), flags) })
    }

    /// Repeats a call that a signal interrupted; libzmq did nothing then.
    fn retry(&self, mut call: impl FnMut() -> c_int) -> Result<(), c_int> {
        while call() < 0 {
            // SAFETY: reads the calling thread's error number.
            match unsafe { (self.errno)() } {
                EINTR => {}
                errno => return Err(errno),
            }
        }
        Ok(())
    }
}

/// Why libzmq's functions cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The file is not part of this process.
    NotLoaded,
    /// Neither the module nor what it depends on exports this function.
    NoSymbol(&'static CStr),
    /// A libzmq whose messages may have another layout.
    Version(c_int, c_int, c_int),
    /// The operating system has no `dlopen`.
    Platform,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded => f.write_str("pyzmq's extension module is not a library loaded in this process"),
            Self::NoSymbol(name) => {
                write!(
                    f,
                    "pyzmq's extension module does not lead to libzmq's {}",
                    name.to_string_lossy()
                )
            }
            Self::Version(major, minor, patch) => write!(f, "libzmq {major}.{minor}.{patch} is not a libzmq 4"),
            Self::Platform => f.write_str("libzmq's functions cannot be looked up on this operating system"),
        }
    }
}

/// zmq.h's `zmq_msg_t`. Possibly uninitialised bytes, so that pointers which libzmq stores in it stay pointers.
#[repr(C, align(8))]
struct ZmqMessage([MaybeUninit<u8>; 64]);

/// One initialised `zmq_msg_t`, closed exactly once. Boxed because libzmq keeps short contents inside the struct, which
/// therefore must not move while they are borrowed; in a cell because `zmq_msg_data` asks for a mutable pointer.
struct ZmqFrame {
    message: Box<UnsafeCell<ZmqMessage>>,
    libzmq: Libzmq,
}

// SAFETY: libzmq binds a message to no thread: its content is counted with atomics, and closing it is legal anywhere.
unsafe impl Send for ZmqFrame {}
// SAFETY: a message must not be *used* by two threads at once, that is changed. Through a shared reference it is only
// read: zmq_msg_data, zmq_msg_size and zmq_msg_more look at the struct and write nothing.
unsafe impl Sync for ZmqFrame {}

impl ZmqFrame {
    fn new(libzmq: Libzmq) -> Self {
        let message = Box::new(UnsafeCell::new(ZmqMessage([MaybeUninit::uninit(); 64])));
        // SAFETY: the struct has the size and alignment that zmq.h declares. zmq_msg_init writes it and cannot fail.
        unsafe { (libzmq.msg_init)(message.get()) };
        Self { message, libzmq }
    }

    /// Receives the frames of one message and returns how many bytes they have. On an error the message is not ended.
    fn receive_message(&mut self, socket: Socket, frames: &mut FramesBuilder) -> Result<usize, c_int> {
        let mut bytes = 0_usize;
        loop {
            self.receive(socket)?;
            let (size, more) = (self.as_ref().len(), self.more());
            bytes = bytes.saturating_add(size);
            if size < KEEP_FROM {
                frames.copy(self.as_ref());
            } else {
                let fresh = Self::new(self.libzmq);
                frames.keep(Bytes::from_owner(std::mem::replace(self, fresh)));
            }
            if !more {
                frames.end_message();
                return Ok(bytes);
            }
        }
    }

    /// Replaces the content by the next frame. After an error the message is still initialised.
    fn receive(&mut self, socket: Socket) -> Result<(), c_int> {
        let message = self.message.get();
        // SAFETY: the caller's promise about `socket`; `&mut self` says that nobody borrows the old content.
        self.libzmq
            .retry(|| unsafe { (self.libzmq.msg_recv)(message, socket.pointer(), DONTWAIT) })
    }

    fn more(&self) -> bool {
        // SAFETY: the message is initialised and is only read.
        unsafe { (self.libzmq.msg_more)(self.message.get()) != 0 }
    }
}

impl AsRef<[u8]> for ZmqFrame {
    fn as_ref(&self) -> &[u8] {
        let message = self.message.get();
        // SAFETY: the message is initialised, so `data` leads to `size` bytes that libzmq keeps in place and unchanged
        // until it is received into or closed, and both need `&mut self`.
        unsafe {
            let size = (self.libzmq.msg_size)(message);
            let data = (self.libzmq.msg_data)(message);
            if size == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(data.cast(), size)
            }
        }
    }
}

impl Drop for ZmqFrame {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, closed nowhere else. It fails only for a message that was not initialised.
        unsafe { (self.libzmq.msg_close)(self.message.get()) };
    }
}

impl Socket {
    fn pointer(self) -> *mut c_void {
        std::ptr::with_exposed_provenance_mut(self.0)
    }
}

/// The function `name` of the libraries behind `handle`.
///
/// # Safety
/// `handle` is open and stays so, and `F` is the function pointer type of that function's declaration.
#[cfg(unix)]
unsafe fn symbol<F: Copy>(handle: *mut c_void, name: &'static CStr) -> Result<F, Unavailable> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: `handle` is open, `name` ends with a NUL.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    if address.is_null() {
        return Err(Unavailable::NoSymbol(name));
    }
    // SAFETY: not null, as large as `F` (asserted above), and by the caller's word a function of that type.
    Ok(unsafe { std::mem::transmute_copy(&address) })
}

/// `ETERM` of zmq.h: the context was terminated.
pub const ETERM: c_int = 156_384_712 + 53;

/// `ZMQ_DONTWAIT` and `ZMQ_SNDMORE` of zmq.h.
const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
