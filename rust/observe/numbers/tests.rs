use super::*;
use crate::kernel_wire::frames::FramesBuilder;
use crate::kernel_wire::signature::Signer;
use crate::receiver::Receiver;

/// One message of a kernel: its channel, id and type, and the type and id of its parent.
struct KernelMessage(&'static str, String, &'static str, &'static str, String);

fn batch(messages: &[KernelMessage], session: &str) -> Batch {
    let channel = messages.first().unwrap().0;
    let mut frames = FramesBuilder::default();
    for KernelMessage(_, id, msg_type, parent_type, parent) in messages {
        let header = format!(r#"{{"msg_id":"{id}","msg_type":"{msg_type}","session":"{session}"}}"#);
        let parent = format!(r#"{{"msg_id":"{parent}","msg_type":"{parent_type}"}}"#);
        let content = r#"{"execution_state":"idle"}"#;
        for part in ["<IDS|MSG>", "", &header, &parent, "{}", content] {
            frames.copy(part.as_bytes());
        }
        frames.end_message();
    }
    let signer = Signer::new(b"", "hmac-sha256").unwrap();
    Receiver::new(signer, 0, false, true).process(channel, frames.finish())
}

/// A kernel whose messages arrive in the order in which these methods are called.
#[derive(Default)]
struct Kernel {
    numbers: Numbers,
    now: f64,
}

impl Kernel {
    fn arrives(&mut self, channel: &'static str, number: u64) -> u64 {
        self.message(channel, &format!("k_1_{number}"), "k", "stream", ("", "r"))
    }

    fn idle(&mut self, number: u64, request: &str) -> u64 {
        let id = format!("k_1_{number}");
        self.message("iopub", &id, "k", "status", ("execute_request", request))
    }

    fn reply(&mut self, number: u64, request: &str) -> u64 {
        let id = format!("k_1_{number}");
        self.message("shell", &id, "k", "execute_reply", ("execute_request", request))
    }

    fn message(
        &mut self,
        channel: &'static str,
        id: &str,
        session: &str,
        msg_type: &'static str,
        parent: (&'static str, &str),
    ) -> u64 {
        let sent = KernelMessage(channel, id.to_owned(), msg_type, parent.0, parent.1.to_owned());
        self.numbers.note(&batch(&[sent], session), self.now)
    }

    /// How many are counted as lost after a pause without messages.
    fn later(&mut self) -> u64 {
        self.now += GRACE;
        self.numbers.settle(self.now)
    }
}

#[test]
fn numbers_without_a_gap_lose_nothing() {
    let mut kernel = Kernel::default();
    for number in 7..1000 {
        let channel = if number % 9 == 8 { "shell" } else { "iopub" };
        assert_eq!(kernel.arrives(channel, number), 0);
    }
    assert_eq!((kernel.later(), kernel.numbers.lost()), (0, 0));
}

#[test]
fn a_request_of_a_kernel_to_itself_is_not_a_loss() {
    // ipykernel's debugger: request 1 and its reply 3 stay inside the kernel
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.message("iopub", "k_1_2", "k", "stream", ("execute_request", "k_1_1"));
    kernel.idle(4, "k_1_1");
    assert_eq!((kernel.later(), kernel.numbers.lost()), (0, 0));
    // 5 is in no message, and 7 only in a parent id of another process: both are lost
    kernel.arrives("iopub", 6);
    kernel.message("iopub", "k_1_8", "k", "stream", ("", "k_2_7"));
    kernel.message("iopub", "k_1_9", "k", "stream", ("", "k_1_99999"));
    assert_eq!((kernel.later(), kernel.numbers.lost()), (2, 2));
}

#[test]
fn a_gap_counts_once_and_only_when_it_stays() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.arrives("iopub", 4);
    assert_eq!(kernel.arrives("iopub", 5), 0, "it may still arrive on another socket");
    assert_eq!(kernel.later(), 3);
    assert_eq!(kernel.later(), 0);
    assert_eq!(kernel.arrives("iopub", 2), 0, "a late number is not counted again");
    assert_eq!(kernel.numbers.lost(), 3);
}

#[test]
fn a_gap_is_found_by_the_next_message_too() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.arrives("iopub", 2);
    kernel.now = GRACE;
    assert_eq!(kernel.arrives("iopub", 3), 1);
}

#[test]
fn channels_arrive_in_any_order() {
    let mut kernel = Kernel::default();
    for number in [0, 3, 1, 5, 4, 2] {
        let channel = if number == 2 || number == 1 { "control" } else { "iopub" };
        kernel.arrives(channel, number);
    }
    assert_eq!(kernel.later(), 0);
}

#[test]
fn numbers_that_iopub_has_not_passed_are_not_lost() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.arrives("shell", 1000);
    assert_eq!(kernel.later(), 0, "IOPub has not passed them");
    for number in 1..1000 {
        kernel.arrives("iopub", number);
    }
    kernel.arrives("iopub", 1001);
    assert_eq!(kernel.later(), 0);
    kernel.arrives("shell", 2000);
    kernel.arrives("iopub", 1500);
    assert_eq!(kernel.later(), 498, "IOPub has passed 1002 to 1499");
    kernel.arrives("iopub", 2001);
    assert_eq!(kernel.later(), 499);
}

#[test]
fn a_reply_to_another_client_explains_one_number() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.idle(2, "theirs");
    assert_eq!(kernel.later(), 0);
    kernel.idle(7, "theirs too");
    assert_eq!(
        kernel.later(),
        3,
        "3 to 6 are missing, and only one of them can be the reply"
    );
}

#[test]
fn a_received_reply_explains_no_number() {
    for idle_first in [false, true] {
        let mut kernel = Kernel::default();
        kernel.arrives("iopub", 0);
        if idle_first {
            kernel.idle(3, "ours");
        }
        kernel.reply(2, "ours");
        if !idle_first {
            kernel.idle(3, "ours");
        }
        assert_eq!(kernel.later(), 1, "1 is lost");
    }
}

#[test]
fn an_explanation_is_used_once_and_for_earlier_numbers_only() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.idle(2, "theirs");
    assert_eq!(kernel.later(), 0);
    kernel.arrives("iopub", 4);
    assert_eq!(kernel.later(), 1);
    // A comm message gets no reply
    kernel.message("iopub", "k_1_6", "k", "status", ("comm_msg", "c"));
    assert_eq!(kernel.later(), 1);
}

#[test]
fn another_process_restarts_the_count() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.arrives("iopub", 9);
    kernel.message("iopub", "k_2_50", "k", "stream", ("", "r"));
    kernel.message("iopub", "new_2_0", "new", "stream", ("", "r"));
    kernel.message("iopub", "new_2_2", "new", "stream", ("", "r"));
    assert_eq!(kernel.later(), 1);
}

#[test]
fn a_reply_of_another_process_changes_nothing() {
    let mut kernel = Kernel::default();
    kernel.message("shell", "old_1_7", "old", "execute_reply", ("", "r"));
    kernel.arrives("iopub", 0);
    kernel.message("shell", "old_1_9", "old", "execute_reply", ("", "r"));
    kernel.arrives("iopub", 1);
    kernel.arrives("iopub", 3);
    assert_eq!(kernel.later(), 1);
}

#[test]
fn ids_of_another_form_are_ignored() {
    let mut kernel = Kernel::default();
    for (id, session) in [
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "k"),
        ("k_1", "k"),
        ("k_1_", "k"),
        ("k__1", "k"),
        ("k_x_1", "k"),
        ("k_1_-1", "k"),
        ("k_1_9999999999999999999", "k"),
        ("other_1_5", "k"),
        ("k_1_5", ""),
        ("", ""),
    ] {
        for _ in 0..2 {
            kernel.message("iopub", id, session, "stream", ("", "r"));
        }
        assert_eq!(kernel.numbers.origin, b"", "{id}");
    }
    kernel.arrives("iopub", 1);
    kernel.message("iopub", "k_1_x", "k", "stream", ("", "r"));
    kernel.arrives("iopub", 2);
    assert_eq!(kernel.later(), 0);
}

#[test]
fn a_session_may_have_underscores() {
    let mut kernel = Kernel::default();
    for number in [0, 2] {
        let id = format!("a_b_12_{number}");
        kernel.message("iopub", &id, "a_b", "stream", ("", "r"));
    }
    assert_eq!(kernel.later(), 1);
}

#[test]
fn a_jump_of_the_counter_is_not_a_loss() {
    let mut kernel = Kernel::default();
    kernel.arrives("iopub", 0);
    kernel.arrives("shell", 1 << 40);
    kernel.arrives("iopub", 1);
    kernel.arrives("iopub", 1 << 50);
    kernel.arrives("iopub", (1 << 50) + 2);
    kernel.arrives("iopub", 5);
    assert_eq!(kernel.later(), 1);
    kernel.arrives("iopub", 10u64.pow(18) - 1);
    kernel.arrives("iopub", 10u64.pow(18) - 1);
    assert_eq!(kernel.later(), 0);
}

#[test]
fn a_repeated_number_is_not_a_loss() {
    let mut kernel = Kernel::default();
    for number in [0, 1, 1, 2, 0, 2, 3] {
        kernel.arrives("iopub", number);
    }
    assert_eq!(kernel.later(), 0);
}

#[test]
fn any_order_of_any_numbers_is_counted_exactly() {
    // Some numbers never arrive; the others are shuffled within the grace period
    let mut kernel = Kernel::default();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut lost, mut found) = (0, 0);
    kernel.arrives("iopub", 0);
    let mut from = 1;
    for _ in 0..200 {
        let mut shell = Vec::new();
        for number in from..from + 40 {
            match next(8) {
                0 => lost += 1,
                1 => shell.push(number),
                _ => found += kernel.arrives("iopub", number),
            }
        }
        while !shell.is_empty() {
            let at = usize::try_from(next(shell.len() as u64)).unwrap();
            found += kernel.arrives("control", shell.swap_remove(at));
        }
        from += 40;
        kernel.now += 0.5;
    }
    found += kernel.arrives("iopub", from) + kernel.later();
    assert_eq!((found, kernel.numbers.lost()), (lost, lost));
}
