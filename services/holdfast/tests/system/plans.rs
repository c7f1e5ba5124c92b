//! The plans of the tests: with workers whose command line carries a marker, the path of their ledger.

use std::path::Path;

/// The example as its readers have it, with a ledger of its own.
pub fn trip(ledger: &Path) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/trip.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let (plain, marked) = ("trip-worker,", format!("trip-worker, --ledger, {},", ledger.display()));
    assert!(text.contains(plain));
    text.replace(plain, &marked)
}

/// Steps one after the other, each with an effect that must not be repeated.
pub fn chain(ledger: &Path, steps: usize) -> String {
    let mut text = head("chain", ledger);
    for step in 0..steps {
        let echo = if step == 0 { "0".to_owned() } else { format!("${{steps.s{}.result.index}}", step - 1) };
        text.push_str(&format!(
            "  - id: s{step}\n    tool: chain_step\n    args: {{ index: {step}, bytes: 100, echo: \"{echo}\" }}\n"
        ));
    }
    text.push_str(&format!("output: ${{steps.s{}.result.index}}\n", steps - 1));
    text
}

/// One step with as many effects that must not be repeated.
pub fn fan(ledger: &Path, width: usize) -> String {
    let items: Vec<String> = (0..width).map(|item| item.to_string()).collect();
    format!(
        "{}  - id: items\n    tool: fan_item\n    for_each: [{}]\n    args: {{ index: \"${{item}}\" }}\n\
         output: ${{steps.items.summary.succeeded}}\n",
        head("fan", ledger),
        items.join(", ")
    )
}

/// A plan's beginning, up to its steps.
pub fn head(name: &str, ledger: &Path) -> String {
    format!(
        "holdfast: v1\nname: {name}\nlocal:\n  workers:\n    - command: [holdfast, example, trip-worker, --ledger, {}]\nsteps:\n",
        ledger.display()
    )
}
