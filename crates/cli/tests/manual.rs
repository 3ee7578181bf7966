//! Completions and manual pages name every command.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::process::Command;

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `lapwing --help` lists.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let (list, _) = rest.split_once("\n\n").unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_string());
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_shell_completes_every_command() {
    let commands = commands();
    assert!(commands.len() > 6, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(script.contains("--fail-on") || script.contains("fail-on"), "{shell}");
    }
}

#[test]
fn manual_pages_name_every_command() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH lapwing 1"), "{}", &page[..200]);
    for command in commands() {
        assert!(page.contains(&format!("lapwing\\-{command}(1)")), "{command}");
        let own = printed(&["man", &command]);
        assert!(
            own.contains(&format!(".TH lapwing\\-{command} 1"))
                || own.contains(&format!(".TH lapwing-{command} 1")),
            "{command}"
        );
    }
    assert!(printed(&["man", "hunt"]).contains("\\-\\-report"));
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing")).args(["man", "fly"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
