//! In which order widgets are replayed: a page can make a widget only if it has those that it refers to.
//!
//! A reference is a string `IPY_MODEL_` with an id, anywhere in the state. If widgets refer to one another in a circle, one of
//! them is opened without the keys that close it, and gets them later. A widget that refers to one which cannot be replayed is
//! left out: the page will ask the kernel for it. Must not build values.
//! Cost: one scan of all state; linear in the widgets and references.

use std::collections::{HashMap, HashSet};

use super::comm::Comm;

/// A widget in its place.
pub struct Opening<'a> {
    /// The widget.
    pub comm: &'a Comm,
    /// The keys of its state that must come later.
    pub later: HashSet<&'a str>,
}

/// A reference: a key, and the index of the widget to which its value refers.
type Reference<'a> = (&'a str, usize);

/// The widgets that can be replayed, each after those that it refers to. Otherwise they keep their order.
pub fn order<'a>(comms: &[&'a Comm]) -> Vec<Opening<'a>> {
    let indexes: HashMap<&str, usize> = comms.iter().enumerate().map(|(at, comm)| (&*comm.id, at)).collect();
    let references: Vec<Option<Vec<Reference<'a>>>> = comms.iter().map(|comm| references_of(comm, &indexes)).collect();
    let missing = incomplete(&references);
    let order = leaves_first(&references, &missing);
    let mut opened = HashSet::new();
    let openings = order.into_iter().filter_map(|at| {
        let of = references.get(at)?.iter().flatten();
        let later = of.filter(|(_, to)| !opened.contains(to)).map(|(key, _)| *key).collect();
        opened.insert(at);
        Some(Opening {
            comm: comms.get(at)?,
            later,
        })
    });
    openings.collect()
}

/// None: it refers to a widget that is not among them.
fn references_of<'a>(comm: &'a Comm, indexes: &HashMap<&str, usize>) -> Option<Vec<Reference<'a>>> {
    let mut found = Vec::new();
    for (key, part) in comm.state() {
        let strings = part.value.iter().flat_map(|value| value.split(|byte| *byte == b'"'));
        for id in strings.filter_map(|string| string.strip_prefix(b"IPY_MODEL_")) {
            found.push((&**key, *indexes.get(std::str::from_utf8(id).ok()?)?));
        }
    }
    Some(found)
}

/// The widgets that refer to one which is not there, directly or through others.
fn incomplete(references: &[Option<Vec<Reference<'_>>>]) -> HashSet<usize> {
    let mut referrers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, of) in references.iter().enumerate() {
        for (_, to) in of.iter().flatten() {
            referrers.entry(*to).or_default().push(at);
        }
    }
    let broken = references.iter().enumerate().filter(|(_, of)| of.is_none());
    let mut left: Vec<usize> = broken.map(|(at, _)| at).collect();
    let mut found = HashSet::new();
    while let Some(at) = left.pop() {
        if found.insert(at) {
            left.extend(referrers.get(&at).into_iter().flatten());
        }
    }
    found
}

/// Visits depth first, with a stack of its own: a kernel decides how deep it is.
fn leaves_first(references: &[Option<Vec<Reference<'_>>>], missing: &HashSet<usize>) -> Vec<usize> {
    let (mut order, mut seen) = (Vec::new(), HashSet::new());
    for start in 0..references.len() {
        let mut open = vec![(start, 0)];
        if missing.contains(&start) || !seen.insert(start) {
            continue;
        }
        while let Some((at, next)) = open.last_mut() {
            let of = references.get(*at).and_then(Option::as_ref);
            if let Some((_, to)) = of.and_then(|of| of.get(*next)) {
                *next += 1;
                if seen.insert(*to) {
                    open.push((*to, 0));
                }
            } else {
                order.push(*at);
                open.pop();
            }
        }
    }
    order
}

#[cfg(test)]
mod tests;
