use super::tests::{message, opening};
use super::*;

fn comms(limits: Limits, sizes: &[usize]) -> Comms {
    let mut comms = Comms::default();
    comms.configure(limits);
    for (number, size) in sizes.iter().enumerate() {
        let state = format!(r#"{{"text":"{}"}}"#, "x".repeat(*size));
        comms.take(opening(&number.to_string(), &state), &Owner::All, true);
        comms.enforce(u64::MAX);
        comms.check();
        assert!(comms.memory() <= limits.memory && comms.kept.len() <= limits.comms);
    }
    comms
}

fn ids(comms: &Comms) -> Vec<&str> {
    comms.of(&Owner::All).into_iter().map(|comm| &*comm.id).collect()
}

const UNLIMITED: Limits = Limits {
    comms: usize::MAX,
    memory: u64::MAX,
};

#[test]
fn the_oldest_widgets_go_if_there_are_too_many() {
    let comms = comms(Limits { comms: 2, ..UNLIMITED }, &[1; 7]);
    assert_eq!(ids(&comms), ["5", "6"]);
    assert_eq!(
        comms.missing(&Owner::All, Lost::Evicted),
        2,
        "it remembers as many as it keeps"
    );
    assert_eq!(comms.missing(&Owner::Nobody, Lost::Evicted), 0);
}

#[test]
fn the_largest_widgets_go_if_they_take_too_much() {
    let comms = comms(
        Limits {
            memory: 20_000,
            ..UNLIMITED
        },
        &[100, 12_000, 200, 9_000, 300],
    );
    assert_eq!(ids(&comms), ["0", "2", "3", "4"]);
    assert_eq!(comms.missing(&Owner::All, Lost::Evicted), 1);
}

#[test]
fn what_is_evicted_comes_back_only_if_it_is_opened_again() {
    let mut comms = comms(Limits { comms: 1, ..UNLIMITED }, &[1, 1]);
    assert_eq!(ids(&comms), ["1"]);
    let content = r#"{"comm_id":"0","data":{"method":"update","state":{"text":"y"}}}"#;
    comms.take(
        super::tests::message("comm_msg", content, Vec::new()),
        &Owner::All,
        true,
    );
    assert_eq!(ids(&comms), ["1"]);
    comms.take(
        super::tests::message("comm_close", content, Vec::new()),
        &Owner::All,
        true,
    );
    assert_eq!(comms.missing(&Owner::All, Lost::Evicted), 0);
    comms.take(opening("0", "{}"), &Owner::All, true);
    comms.enforce(u64::MAX);
    comms.check();
    assert_eq!(ids(&comms), ["0"]);
}

#[test]
fn a_limit_of_0_keeps_nothing_and_a_tiny_one_ends() {
    for limits in [Limits { comms: 0, ..UNLIMITED }, Limits { memory: 1, ..UNLIMITED }] {
        let comms = comms(limits, &[1, 1, 1]);
        assert_eq!((ids(&comms).len(), comms.memory()), (0, 0));
    }
}

#[test]
fn the_memory_that_a_journal_gives_is_a_limit_too() {
    let mut comms = comms(UNLIMITED, &[1000, 2000, 3000]);
    comms.enforce(5000);
    comms.check();
    assert!(comms.memory() <= 5000);
    assert_eq!(ids(&comms), ["0", "1"]);
}

#[test]
fn a_limit_that_is_just_reached_evicts_nothing() {
    let mut comms = comms(UNLIMITED, &[100, 100]);
    let memory = comms.memory();
    comms.enforce(memory);
    assert_eq!(ids(&comms), ["0", "1"]);
    comms.enforce(memory - 1);
    assert_eq!(ids(&comms).len(), 1);
}

#[test]
fn a_widget_that_is_not_kept_costs_its_id_twice_its_owner_and_little_else() {
    let memory = |id: usize, owner: usize| {
        let (mut comms, owner) = (comms(UNLIMITED, &[]), Owner::User("o".repeat(owner).into()));
        comms.take(opening(&"x".repeat(id), "7"), &owner, true);
        assert_eq!(comms.missing(&owner, Lost::Unknown), 1);
        comms.memory()
    };
    let few = memory(5, 5);
    assert!((200..600).contains(&few), "its entries in the indexes");
    assert_eq!(memory(55, 5) - few, 2 * 50);
    assert_eq!(memory(5, 55) - few, 50);
}

#[test]
fn the_memory_grows_by_what_is_kept_of_a_widget() {
    let memory = |id: usize, owner: usize, key: usize, value: usize| {
        let (mut comms, long) = (comms(UNLIMITED, &[]), |len| "x".repeat(len));
        let state = format!(r#"{{"{}":"{}"}}"#, long(key), long(value));
        comms.take(opening(&long(id), &state), &Owner::User(long(owner).into()), true);
        comms.memory()
    };
    let few = memory(5, 5, 5, 5);
    assert!(few > 500, "its entries in the indexes");
    assert_eq!(memory(55, 5, 5, 5) - few, 2 * 50);
    assert_eq!(memory(5, 55, 5, 5) - few, 50);
    assert_eq!(memory(5, 5, 55, 5) - few, 50);
    assert_eq!(memory(5, 5, 5, 55) - few, 50);
}

#[test]
fn the_memory_grows_by_each_buffer() {
    let memory = |len: usize| {
        let (mut comms, buffer) = (comms(UNLIMITED, &[]), Bytes::from("b".repeat(len)));
        let content = r#"{"comm_id":"c","target_name":"jupyter.widget","data":{"state":{},"buffer_paths":[["a"]]}}"#;
        comms.take(message("comm_open", content, vec![buffer]), &Owner::All, true);
        comms.memory()
    };
    assert_eq!(memory(55) - memory(5), 50);
    assert!((700..1000).contains(&memory(5)), "its entries in the indexes, once");
}
