# Chores; `just` alone lists them.

default:
    @just --list

# Formatting, lints, tests, score, docs: what CI runs.
test:
    ./scripts/test

# How fast decoders and the detector are.
bench:
    cargo bench --package lapwing-source --bench decoders
    cargo bench --package lapwing-detect --bench detector

# Lapwing beside its peers, on workloads of MB each: writes docs/performance.md.
bench-peers MB="100":
    cargo run --release --package xtask -- bench-peers {{MB}}

# Recall and precision over labelled files: DIR… or ../shared/corpus.
score *DIRS:
    cargo xtask score {{DIRS}}

# Rewrites goldens and generated docs from what the code does now; read the difference.
bless:
    LAPWING_BLESS=1 cargo test --workspace

# Licences and duplicate versions, by cargo-deny where it is installed.
deny:
    cargo deny check bans licenses sources

# More damaged inputs for every decoder.
fuzz CASES="20000":
    PROPTEST_CASES={{CASES}} cargo test --package lapwing-fuzz
