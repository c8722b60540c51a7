# The commands of README.md and CONTRIBUTING.md, by short names.

# List the recipes
default:
    @just --list

# Serve the site on http://127.0.0.1:4040
run:
    cargo run

# Run every test
test:
    cargo test

# Try every setting and dependency for real
check:
    cargo run -- check

# Take a picture of every page, into target/screenshots
screenshots:
    cargo run -p portico-tests --example screenshots

# Do everything that must hold before a change lands
ci:
    .ci/run
