use std::fs;
use std::path::PathBuf;

use super::*;

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let files = corpus(name);
    assert!(files.len() > 20, "{name}: the corpus is not there");
    for file in files {
        println!("{}", file.display());
        run(name, &fs::read(file).unwrap());
    }
    run(name, b"");
}

#[test]
fn the_corpus_of_outbox() {
    replay("outbox");
}

#[test]
fn the_corpus_of_journal() {
    replay("journal");
}

#[test]
fn the_corpus_of_widgets() {
    replay("widgets");
}

#[test]
fn the_corpus_of_kernel() {
    replay("kernel");
}

#[test]
fn the_corpus_of_merge() {
    replay("merge");
}

#[test]
fn the_corpus_of_block() {
    replay("block");
}

#[test]
fn the_corpus_of_wire() {
    replay("wire");
}

#[test]
fn every_target_has_a_fuzzer() {
    for target in &TARGETS {
        let path = format!("{}/fuzz/fuzz_targets/{}.rs", env!("CARGO_MANIFEST_DIR"), target.name);
        let source = fs::read_to_string(path).unwrap();
        assert!(source.contains(&format!("run(\"{}\"", target.name)));
    }
}

#[test]
#[should_panic(expected = "10 bytes of input")]
fn what_allocates_too_much_is_found() {
    let limit = allocated::Limit {
        per_byte: 1,
        base: 1000,
    };
    limit.check(10, || std::hint::black_box(vec![0_u8; 1011]));
}
