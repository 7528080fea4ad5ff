#!/bin/bash -eu
# Builds all targets as OSS-Fuzz asks: with cargo-fuzz, optimised, with debug assertions; and packs each corpus.
cd "$SRC/kernelws"
cargo fuzz build -O --debug-assertions
for path in fuzz/fuzz_targets/*.rs; do
  target=$(basename "$path" .rs)
  cp "fuzz/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
  (cd "fuzz/corpus/$target" && zip --quiet --recurse-paths "$OUT/${target}_seed_corpus.zip" .)
  printf '[libfuzzer]\nmax_len = 256\ntimeout = 60\n' >"$OUT/$target.options"
done
