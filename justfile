# Names for what `cargo xtask` does: cargo alone is enough, and CI runs the same.

# list the recipes
default:
    @just --list

# format, lints, tidy, generated files
check:
    cargo xtask check

# every suite, end to end included where Go is there
test *ARGS:
    cargo xtask test {{ ARGS }}

# five minutes of fifty idle apps, instead of the one minute of the suite
idle:
    KASPR_E2E_IDLE_SECONDS=300 cargo xtask test --test e2e -- fifty_idle_apps

# what the operator costs; `just bench --write` for docs/performance.md
bench *ARGS:
    cargo xtask bench {{ ARGS }}

# the faults of the suite in full: five minutes of outage, a minute of each other, every request
faults:
    KASPR_E2E_LONG=1 KASPR_E2E_FAULT_SECONDS=60 KASPR_E2E_OUTAGE_SECONDS=300 \
    KASPR_E2E_STORM_SECONDS=60 KASPR_E2E_EVERY_REQUEST=1 cargo xtask test --test e2e -- faults

# every story with faults, for half an hour
campaign:
    KASPR_CAMPAIGN_SECONDS=1800 cargo xtask test --test suite -- --nocapture campaign

# members that hang and topics that come in a rollout, a hundred times each; a thousand members that are asked
members:
    KASPR_E2E_TRIALS=100 KASPR_E2E_MEMBERS=1000 cargo xtask test --test e2e -- --nocapture members::

# the policies of members in every order of events, the runs of minutes included
model:
    KASPR_MODEL_LONG=1 cargo test -p kaspr-model -- --nocapture --test-threads=1

# break the operator in one place at a time, and see that the suite notices
mutants:
    cargo xtask mutants

# look at changed snapshots one by one (needs cargo-insta)
review:
    cargo insta review

# write the generated files
generate:
    cargo xtask generate

# the operator at work in a simulated cluster
demo *ARGS:
    cargo run -p kaspr-runtime -- demo {{ ARGS }}

# a control plane to try things on; `just down` ends it
up:
    cargo xtask cluster up

# end the control plane of `just up`
down:
    cargo xtask cluster down

# licences, bans, sources
deny:
    cargo xtask deny

# check, then test
ci:
    cargo xtask ci
