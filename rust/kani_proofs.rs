//! Proofs for all inputs of a length, by the model checker Kani: `cargo kani`. Only Kani compiles this file.
//!
//! Bounds of the reader, the offsets of both subprotocols, and the sums of a lane. Each proof also proves that nothing panics.

use bytes::Bytes;

use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::client_wire::{legacy, v1};
use crate::flow::entry::{Entry, Item, Slot};
use crate::flow::frame::Frame;
use crate::flow::pacing::Class;
use crate::flow::zone::Zone;
use crate::reader::{Reader, wide};

/// Parts of any lengths: what was taken and what is left add up to all bytes.
#[kani::proof]
#[kani::unwind(18)]
fn a_reader_stays_in_its_bytes() {
    let bytes: [u8; 16] = kani::any();
    let mut reader = Reader::new(&bytes);
    let (first, second): (u64, u64) = (kani::any(), kani::any());
    let mut taken = 0;
    for len in [first, second] {
        match reader.take(len) {
            Ok(part) => {
                assert!(wide(part.len()) == len);
                taken += len;
            }
            Err(_) => assert!(len > 16 - taken),
        }
    }
    assert!(taken + reader.len() == 16);
}

/// Any frame of 64 bytes, with at most two buffers: the channel and the parts fill it exactly.
#[kani::proof]
#[kani::unwind(66)]
fn offsets_of_v1_stay_in_the_frame() {
    let bytes: [u8; 64] = kani::any();
    let frame = Bytes::copy_from_slice(&bytes);
    if let Ok(message) = v1::decode(&frame, false, 2) {
        let channel = message.channel.map_or(0, |name| name.len());
        let parts: usize = message.parts.iter().map(Bytes::len).sum();
        assert!(8 * (3 + message.parts.len()) + channel + parts == 64);
    }
}

/// Any frame: it is refused or its parts are within it.
#[kani::proof]
#[kani::unwind(26)]
fn offsets_of_legacy_stay_in_the_frame() {
    let bytes: [u8; 24] = kani::any();
    let frame = Bytes::copy_from_slice(&bytes);
    if let Ok(message) = legacy::decode_binary(&frame, 2) {
        assert!(message.parts.iter().skip(4).map(Bytes::len).sum::<usize>() <= 24);
    }
}

/// What is added to a lane's zone and taken again leaves its sums at zero.
#[kani::proof]
#[kani::unwind(4)]
fn a_zone_counts_what_it_has() {
    let mut zone = Zone::default();
    for seq in 0..2 {
        let mut entry = Entry::plain(Frame::own(Opcode::Text, b"x"), Protocol::V1, Class::Exempt);
        entry.messages = u64::from(kani::any::<u16>());
        entry.text = u64::from(kani::any::<u16>());
        zone.push_back(Slot {
            seq,
            item: Item::Message(entry),
        });
    }
    while zone.pop_front().is_some() {}
    let sums = zone.sums();
    assert!((sums.messages, sums.text, sums.bytes) == (0, 0, 0));
}
