//! Receives from and sends on a libzmq socket that Python owns, through the libzmq that Python has already loaded.
//!
//! The only unsafe code of the crate. It must not open, close or configure a socket, must not load a second libzmq (two
//! of them in one process crash), and must not use pyo3 or interpret messages.
//!
//! Strategy: `dlopen(RTLD_NOLOAD)` on pyzmq's extension module finds the functions that pyzmq itself calls, even if they
//! are in a library that the module depends on. Frames below [`KEEP_FROM`] are copied into an arena that all frames of one
//! call share: a small frame lies in a receive buffer of libzmq, and would keep all of its 8 KiB in memory. Larger frames
//! stay in libzmq's memory and are closed when the last [`Bytes`] that refers to them is freed.
//!
//! **The caller must ensure**, because no type can: during a call the [`Socket`] is open, and no other thread uses or closes
//! it. The only caller, `rust/python/intake.rs`, asks pyzmq whether the socket is closed and then calls this module without
//! releasing the GIL; pyzmq closes sockets only while it holds the GIL. `gil_used` in `rust/python/mod.rs` makes a
//! free-threaded Python enable its GIL.
//!
//! Cost: about 50 ns a frame on top of libzmq's own work.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::path::PathBuf;

use bytes::Bytes;
use libc::{EAGAIN, EINTR, EINVAL};

use crate::kernel_wire::frames::{Frames, FramesBuilder, KEEP_FROM, Room};

/// The address of an open libzmq socket: pyzmq's `Socket.underlying`. The module header has the conditions for its use.
#[derive(Clone, Copy)]
pub struct Socket(pub usize);

/// The limits of one call. The call ends after the message that reaches one of them, so it receives at least one message.
#[derive(Clone, Copy)]
pub struct Budget {
    /// The number of messages.
    pub messages: usize,
    /// The bytes of all frames. The last message may exceed them.
    pub bytes: usize,
}

/// The messages that one call received.
pub struct Received {
    /// Complete multipart messages in the order of arrival.
    pub frames: Frames,
    /// Why the call ended.
    pub stop: Stop,
}

/// Why a receive loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The socket's queue is empty: the next message makes its descriptor readable.
    Drained,
    /// The queue may have more messages. The descriptor is edge-triggered and may not become readable for them.
    BudgetSpent,
    /// libzmq's error number. A message that it interrupted is dropped; the complete ones before it are kept.
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
    /// Finds the functions through `library`, the file of a loaded extension module that is linked to libzmq. It must be
    /// libzmq 4, because the layout of messages differs between major versions.
    #[cfg(unix)]
    pub fn load(library: PathBuf) -> Result<Self, Unavailable> {
        use std::os::unix::ffi::OsStringExt;

        let file = std::ffi::CString::new(library.into_os_string().into_vec()).map_err(|_| Unavailable::NotLoaded)?;
        // SAFETY: `file` ends with a NUL. NOLOAD runs no initialiser: the file is already part of the process, or
        // the result is null. The handle is never closed, so the functions stay valid until the process ends.
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

    /// Not supported on this platform.
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

    /// Receives without blocking until the socket's queue is empty, the budget is spent or libzmq reports an error.
    /// `room`: what the last call for this socket took.
    pub fn receive(&self, socket: Socket, budget: Budget, room: Room) -> Received {
        let (mut frames, mut frame) = (FramesBuilder::with_room(room), ZmqFrame::new(*self));
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

    /// Sends one multipart message without blocking. False: sending would block, and the message was not sent.
    ///
    /// libzmq accepts all frames of a message once it has accepted the first, unless the peer disconnects in between. Then a
    /// DEALER returns EAGAIN once and discards the remaining frames of the message. So these are passed to it even after
    /// EAGAIN; otherwise it would discard the first frames of the next message. A message without frames is EINVAL.
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
        // SAFETY: the module header says what the caller ensures of `socket`. zmq_send reads only `frame.len()` bytes, and
        // only before it returns.
        self.retry(|| unsafe { (self.send)(socket.pointer(), frame.as_ptr().cast(), frame.len(), flags) })
    }

    /// Repeats a call while signals interrupt it. An interrupted call has had no effect.
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

/// Why libzmq's functions cannot be used. Python then receives through pyzmq.
#[derive(Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The file is not part of this process.
    NotLoaded,
    /// Neither the module nor its libraries export this function.
    NoSymbol(&'static CStr),
    /// The libzmq is not a version 4, so its messages may have another layout.
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
                    "pyzmq's extension module gives no access to libzmq's {}",
                    name.to_string_lossy()
                )
            }
            Self::Version(major, minor, patch) => write!(f, "libzmq {major}.{minor}.{patch} is not a libzmq 4"),
            Self::Platform => f.write_str("libzmq's functions cannot be looked up on this operating system"),
        }
    }
}

/// zmq.h's `zmq_msg_t`. `MaybeUninit`, because plain integers would lose the provenance of pointers that libzmq stores in it.
#[repr(C, align(8))]
struct ZmqMessage([MaybeUninit<u8>; 64]);

/// One initialised `zmq_msg_t`, closed exactly once. In a box, because libzmq stores short contents inside the struct, which
/// must not move while they are borrowed. In an `UnsafeCell`, because `zmq_msg_data` takes a mutable pointer.
struct ZmqFrame {
    message: Box<UnsafeCell<ZmqMessage>>,
    libzmq: Libzmq,
}

// SAFETY: a message does not belong to a thread: libzmq counts its references atomically, and any thread may close it.
unsafe impl Send for ZmqFrame {}
// SAFETY: two threads must not change a message at once. A shared reference allows only reads: zmq_msg_data, zmq_msg_size
// and zmq_msg_more do not write to the struct.
unsafe impl Sync for ZmqFrame {}

impl ZmqFrame {
    fn new(libzmq: Libzmq) -> Self {
        let message = Box::new(UnsafeCell::new(ZmqMessage([MaybeUninit::uninit(); 64])));
        // SAFETY: the struct has the size and alignment that zmq.h declares. zmq_msg_init writes it and cannot fail.
        unsafe { (libzmq.msg_init)(message.get()) };
        Self { message, libzmq }
    }

    /// Receives the frames of one message and returns their bytes. After an error `frames` has only some, which `finish` drops.
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

    /// Receives the next frame into this one. After an error it is still initialised.
    fn receive(&mut self, socket: Socket) -> Result<(), c_int> {
        let message = self.message.get();
        // SAFETY: the module header says what the caller ensures of `socket`. `&mut self`: the old content is not borrowed.
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
        // SAFETY: the message is initialised, so `data` points to `size` bytes. libzmq does not move or change them until the
        // message is received into or closed, and both need `&mut self`.
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
        // SAFETY: the message was initialised in `new` and is closed only here. Closing fails only if it is not initialised.
        unsafe { (self.libzmq.msg_close)(self.message.get()) };
    }
}

impl Socket {
    fn pointer(self) -> *mut c_void {
        std::ptr::with_exposed_provenance_mut(self.0)
    }
}

/// The function `name` of the library `handle` or of one that it depends on.
///
/// # Safety
/// `handle` must stay open, and `F` must be the function pointer type of that function in zmq.h.
#[cfg(unix)]
unsafe fn symbol<F: Copy>(handle: *mut c_void, name: &'static CStr) -> Result<F, Unavailable> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: `handle` is open, `name` ends with a NUL.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    if address.is_null() {
        return Err(Unavailable::NoSymbol(name));
    }
    // SAFETY: the address is not null, is as large as `F` (asserted above), and the caller ensures its type.
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
