use bytes::Bytes;

use super::*;
use crate::executions::comms::message::{Part, State};
use crate::executions::comms::owners::Owner;
use crate::proof::random::Random;

/// A widget with these members of its state, each a key and JSON.
fn comm(id: &str, state: &[(&str, String)]) -> Comm {
    let part = |value: &String| Part {
        value: Some(Bytes::from(value.clone())),
        ..Part::default()
    };
    let state: State = state
        .iter()
        .map(|(key, value)| (Box::from(*key), part(value)))
        .collect();
    Comm::new(id, Owner::All, Bytes::new(), state)
}

fn to(id: &str) -> String {
    format!(r#""IPY_MODEL_{id}""#)
}

/// Ids in order, each with its keys that come later.
fn ordered(comms: &[Comm]) -> Vec<(String, Vec<String>)> {
    let all: Vec<&Comm> = comms.iter().collect();
    let sorted = |keys: &HashSet<&str>| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    let openings = order(&all);
    openings
        .iter()
        .map(|opening| (opening.comm.id.to_string(), sorted(&opening.later)))
        .collect()
}

fn plain(ids: &[&str]) -> Vec<(String, Vec<String>)> {
    ids.iter().map(|id| ((*id).to_owned(), Vec::new())).collect()
}

#[test]
fn what_others_refer_to_comes_first() {
    let children = format!("[{}, {}]", to("slider"), to("text"));
    let comms = [
        comm("box", &[("children", children), ("layout", to("layout"))]),
        comm("slider", &[("style", format!(r#"{{"deep": [{}]}}"#, to("style")))]),
        comm("style", &[]),
        comm("text", &[("value", r#""IPY_ and no reference""#.to_owned())]),
        comm("layout", &[]),
    ];
    assert_eq!(ordered(&comms), plain(&["style", "slider", "text", "layout", "box"]));
}

#[test]
fn a_circle_is_closed_later() {
    let comms = [
        comm("a", &[("other", to("b")), ("value", "1".to_owned())]),
        comm("b", &[("other", to("a"))]),
        comm("self", &[("me", to("self"))]),
    ];
    let expected = [("b", "other"), ("a", ""), ("self", "me")];
    let expected = expected.map(|(id, key)| (id.to_owned(), Vec::from_iter((!key.is_empty()).then(|| key.to_owned()))));
    assert_eq!(ordered(&comms), expected);
}

#[test]
fn what_refers_to_a_widget_that_is_not_there_is_left_out() {
    let comms = [
        comm("a", &[("b", to("b"))]),
        comm("b", &[("gone", to("gone"))]),
        comm("c", &[("d", to("d"))]),
        comm("d", &[]),
    ];
    assert_eq!(ordered(&comms), plain(&["d", "c"]));
}

#[test]
fn depth_is_no_problem() {
    let chain: Vec<Comm> = (0..20_000)
        .map(|at| comm(&at.to_string(), &[("next", to(&((at + 1) % 20_001).to_string()))]))
        .chain([comm("20000", &[])])
        .collect();
    let found = ordered(&chain);
    assert_eq!(found.len(), chain.len());
    assert_eq!((&*found[0].0, &*found[20_000].0), ("20000", "0"));
}

#[test]
fn whatever_refers_to_what_each_widget_comes_after_its_references_or_gets_them_later() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let count = 1 + random.size(8);
        let comms: Vec<Comm> = (0..count)
            .map(|at| {
                let keys = ["k0", "k1", "k2"];
                let some = random.size(4);
                let state: Vec<(&str, String)> = keys
                    .iter()
                    .take(some)
                    .map(|key| {
                        let most = count + usize::from(random.one_in(8));
                        (*key, to(&random.size(most).to_string()))
                    })
                    .collect();
                comm(&at.to_string(), &state)
            })
            .collect();
        let all: Vec<&Comm> = comms.iter().collect();
        let openings = order(&all);
        let mut before = HashSet::new();
        for opening in &openings {
            for (key, part) in opening.comm.state() {
                let value = part.value.as_ref().unwrap();
                let id = std::str::from_utf8(value)
                    .unwrap()
                    .trim_matches('"')
                    .replace("IPY_MODEL_", "");
                assert!(
                    openings.iter().any(|other| *other.comm.id == *id),
                    "all references are there"
                );
                assert_eq!(opening.later.contains(&**key), !before.contains(&id), "seed {seed}");
            }
            assert!(before.insert(opening.comm.id.to_string()), "each comes once");
        }
        let refers = |comm: &Comm, gone: &HashSet<String>| {
            let ids = comm
                .state()
                .values()
                .map(|part| String::from_utf8_lossy(part.value.as_ref().unwrap()).into_owned());
            ids.map(|id| id.trim_matches('"').replace("IPY_MODEL_", ""))
                .any(|id| gone.contains(&id))
        };
        let mut gone = HashSet::from([count.to_string()]);
        while let Some(next) = comms
            .iter()
            .find(|comm| !gone.contains(&*comm.id) && refers(comm, &gone))
        {
            gone.insert(next.id.to_string());
        }
        assert_eq!(
            openings.len(),
            count + 1 - gone.len(),
            "seed {seed}: only those are left out"
        );
    }
}
