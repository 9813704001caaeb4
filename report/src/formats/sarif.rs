//! A report as SARIF 2.1.0, for code hosts and editors: a rule for each kind of finding, the way to it as a code flow.
//!
//! Invariant: no text of a finding is a link or a placeholder; paths of the project are relative to the checkout.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::model::{Item, Level, Location, Report, Rule, Step};
use crate::json;
use crate::text::{Call, Safe};

/// The standard's own name for its schema.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What code hosts take for the root of the checkout.
const ROOT: &str = "%SRCROOT%";
/// Frames of one stack.
const FRAMES_MAX: usize = 64;

/// Writes the document.
pub fn write(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let rules: Vec<Value> = report.rules.iter().map(rule).collect();
    let results: Vec<Value> = report.items.iter().map(|item| result(item, report)).collect();
    let notes: Vec<Value> =
        report.notes.iter().map(|note| json!({"level": "note", "message": message(note)})).collect();
    let driver = json!({"name": "memtrace", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules});
    let run = json!({
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
        "columnKind": "utf16CodeUnits",
        "automationDetails": {"id": format!("memtrace/{}", Safe(&report.suite))},
        "results": results,
    });
    json::write(&json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}), to)
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.text},
        "defaultConfiguration": {"level": level(rule.level)},
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

fn result(item: &Item, report: &Report) -> Value {
    let root = &report.root;
    let stacks = item.flow.iter().chain(&item.related).map(|step| step.frames.as_slice());
    let mut place = item.location.as_ref().map_or(Value::Null, |place| json!({"physicalLocation": physical(place)}));
    if place.is_null() {
        place = stacks.clone().flatten().next().map_or(Value::Null, |call| location(call, root));
    }
    let mut result = json!({
        "ruleId": item.rule,
        "level": level(item.level),
        "message": message(&format!("{}\n{}", item.title, item.message)),
        "partialFingerprints": {"memtrace/v1": item.fingerprint},
        "locations": if place.is_null() { json!([]) } else { json!([place]) },
    });
    if let Some(place) = report.rules.iter().position(|rule| rule.id == item.rule) {
        result["ruleIndex"] = place.into();
    }
    if !item.flow.is_empty() {
        let locations: Vec<Value> = item.flow.iter().map(|step| flow_location(step, root)).collect();
        result["codeFlows"] = json!([{"threadFlows": [{"locations": locations}]}]);
    }
    let stacks: Vec<Value> = item.flow.iter().chain(&item.related).map(|step| stack(step, root)).collect();
    if !stacks.is_empty() {
        result["stacks"] = stacks.into();
    }
    if let Some(reason) = &item.accepted {
        let justification = Safe(reason).to_string();
        result["suppressions"] = json!([{"kind": "external", "status": "accepted", "justification": justification}]);
    }
    result
}

/// A step, at the first frame of the project on its stack.
fn flow_location(step: &Step, root: &Path) -> Value {
    let is_own = |call: &&Call| Location::of(call, root).is_some_and(|place| place.is_own);
    let call = step.frames.iter().find(is_own).or(step.frames.first());
    let mut place = call.map_or_else(|| json!({}), |call| location(call, root));
    place["message"] = message(&step.message);
    json!({"location": place, "stack": stack(step, root)})
}

fn stack(step: &Step, root: &Path) -> Value {
    let frames: Vec<Value> = step.frames.iter().take(FRAMES_MAX).map(|call| frame(call, root)).collect();
    json!({"message": message(&step.message), "frames": frames})
}

fn frame(call: &Call, root: &Path) -> Value {
    let mut frame = json!({"location": location(call, root)});
    if let Some(module) = call.module {
        frame["module"] = Safe(module).to_string().into();
    }
    frame
}

fn location(call: &Call, root: &Path) -> Value {
    let mut place = Map::new();
    if let Some(found) = Location::of(call, root) {
        place.insert("physicalLocation".into(), physical(&found));
    }
    let name = match call.function {
        Some(function) => Safe(function).to_string(),
        None => Call { file: None, ..*call }.to_string(),
    };
    place.insert("logicalLocations".into(), json!([{"fullyQualifiedName": name, "kind": "function"}]));
    place.into()
}

fn physical(place: &Location) -> Value {
    let artifact = match (place.is_own, place.path.starts_with('/')) {
        (true, _) => json!({"uri": uri(&place.path), "uriBaseId": ROOT}),
        (false, true) => json!({"uri": format!("file://{}", uri(&place.path))}),
        (false, false) => json!({"uri": uri(&place.path)}),
    };
    match place.line {
        Some(line) => json!({"artifactLocation": artifact, "region": {"startLine": line}}),
        None => json!({"artifactLocation": artifact}),
    }
}

/// A path as a part of a URI.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b'+' => {
            text + &char::from(byte).to_string()
        }
        _ => format!("{text}%{byte:02X}"),
    })
}

fn message(text: &str) -> Value {
    let lines: Vec<String> = text.trim_end().lines().map(|line| plain(&Safe(line).to_string())).collect();
    json!({"text": lines.join("\n")})
}

/// A text without what SARIF takes for a link, `[text](target)`, or for a placeholder, `{0}`.
fn plain(text: &str) -> String {
    let text = match text.contains("](") {
        true => text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]"),
        false => text.to_owned(),
    };
    let is_placeholder = |rest: &str| {
        let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        after.len() < rest.len() && after.starts_with('}')
    };
    match text.split('{').skip(1).any(is_placeholder) {
        true => text.replace('{', "{{").replace('}', "}}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, report};
    use super::*;
    use std::path::PathBuf;
    use std::process::Command;

    fn written(report: &Report) -> Value {
        serde_json::from_str(&sample::written(write, report)).unwrap()
    }

    /// The standard's schema: a file that somebody names, or that of the package serde-sarif in Cargo's cache.
    fn schema() -> Option<Value> {
        if let Some(path) = std::env::var_os("MEMTRACE_SARIF_SCHEMA") {
            return Some(serde_json::from_slice(&std::fs::read(path).expect("it can be read")).expect("it is JSON"));
        }
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
        let registries = std::fs::read_dir(home.join("registry/cache")).ok()?.flatten();
        let files = registries.filter_map(|registry| std::fs::read_dir(registry.path()).ok()).flatten().flatten();
        let package = files.map(|file| file.path()).find(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("serde-sarif-"))
        })?;
        let schema = ["--wildcards", "*/src/schema.json"];
        let output = Command::new("tar").arg("-xzOf").arg(package).args(schema).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    fn faults(document: &Value) -> Option<Vec<String>> {
        let mut schema = schema()?;
        // A `]` too many, which only some readers of patterns take.
        for part in ["run", "toolComponent"] {
            let language = schema.pointer_mut(&format!("/definitions/{part}/properties/language"));
            language.and_then(Value::as_object_mut).expect("the schema has it").remove("pattern");
        }
        let validator = jsonschema::draft7::new(&schema).expect("it is a schema");
        Some(validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect())
    }

    #[test]
    fn the_document_is_sarif() {
        let Some(faults) = faults(&written(&report())) else {
            println!("skipped: no SARIF schema here; name one in MEMTRACE_SARIF_SCHEMA, or `cargo info serde-sarif`");
            return;
        };
        assert!(faults.is_empty(), "{faults:#?}");
        let mut wrong = written(&report());
        wrong["runs"][0]["results"][0]["levle"] = "error".into();
        assert_eq!(self::faults(&wrong).map(|faults| faults.len()), Some(1));
    }

    #[test]
    fn each_finding_has_rule_place_way_and_fingerprint() {
        let document = written(&report());
        assert_eq!(document["version"], "2.1.0");
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][1]["id"], "poor");
        assert_eq!(run["tool"]["driver"]["rules"][1]["defaultConfiguration"]["level"], "warning");
        let result = &run["results"][0];
        assert_eq!(
            (&result["ruleId"], &result["ruleIndex"], &result["level"]),
            (&json!("bad"), &json!(0), &json!("error"))
        );
        assert_eq!(result["message"]["text"], "bad in parse\nfirst\nsecond");
        assert_eq!(result["partialFingerprints"], json!({"memtrace/v1": "0000000000f1"}));
        let own = json!({"artifactLocation": {"uri": "io.c", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 12}});
        assert_eq!(result["locations"], json!([{"physicalLocation": own}]));
        let steps = &result["codeFlows"][0]["threadFlows"][0]["locations"];
        assert_eq!(steps[0]["location"]["message"]["text"], "malloc fails");
        assert_eq!(steps[0]["location"]["logicalLocations"][0]["fullyQualifiedName"], "read_all");
        // The crash is in a library; where the project called it is where one looks.
        assert_eq!(steps[1]["location"]["physicalLocation"], own);
        let frame = &steps[1]["stack"]["frames"][0];
        let foreign = json!({"artifactLocation": {"uri": "file:///usr/src/a%20b.c"}});
        assert_eq!(frame["location"]["physicalLocation"], foreign);
        let unnamed = &result["stacks"][2]["frames"][0];
        assert_eq!(unnamed["module"], "/lib/libc.so.6");
        assert_eq!(unnamed["location"]["logicalLocations"][0]["fullyQualifiedName"], "??? (libc.so.6+0x27249)");
        assert!(result.get("suppressions").is_none());
        let suppression = json!([{"kind": "external", "status": "accepted", "justification": "known: waits"}]);
        assert_eq!(run["results"][2]["suppressions"], suppression);
        assert_eq!(run["results"][2]["locations"], json!([]));
        assert_eq!(run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"], "stderr varies");
    }

    #[test]
    fn no_text_is_a_link_or_a_placeholder_and_no_path_another_uri() {
        assert_eq!(plain("f[abi:cxx11](int) {lambda()#1}"), "f\\[abi:cxx11\\](int) {lambda()#1}");
        assert_eq!(plain("a[0] {lambda}"), "a[0] {lambda}");
        assert_eq!(plain("{0} {x}"), "{{0}} {{x}}");
        let mut report = report();
        let odd = "http://x/?a#b\u{1b}%00é";
        report.items[0].title = format!("[click]({odd})\n{{1}}");
        report.items[0].location = Some(Location { path: odd.into(), is_own: true, line: Some(1) });
        let result = &written(&report)["runs"][0]["results"][0];
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(place, "http%3A//x/%3Fa%23b%1B%2500%C3%A9");
        let text = result["message"]["text"].as_str().unwrap();
        assert!(text.starts_with("\\[click\\](http://x/?a#b\\\\u{1b}"), "{text}");
        assert!(faults(&written(&report)).is_none_or(|faults| faults.is_empty()));
    }
}
