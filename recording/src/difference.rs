//! The first fact in which two plans differ, and what it concerns.

use kaspr_core::Plan;
use kaspr_core::plan::{Notice, Step, Wait};
use serde_json::{Map, Value};

/// Where two plans differ first, in the order in which a plan is read: what is done, what is not
/// done, what is told, what is asked for, when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What it concerns, in words: the stage and action, or the object, as recorded and as decided.
    pub concerns: String,
    /// Its place in the plan: a JSON pointer (RFC 6901).
    pub path: String,
    /// What stands there in the recorded plan; none if nothing does.
    pub recorded: Option<Value>,
    /// What stands there in the plan that was decided; none if nothing does.
    pub decided: Option<Value>,
}

/// The parts of a plan, in the order in which it is read.
const PARTS: [&str; 5] = ["steps", "waits", "notices", "stale", "wakeUp"];

/// The first fact in which the plans differ; none if they are equal.
pub fn first(recorded: &Plan, decided: &Plan) -> Option<Fact> {
    if recorded == decided {
        return None;
    }
    // A plan that cannot be written as JSON is none that was recorded.
    let texts = [recorded, decided].map(|plan| serde_json::to_value(plan).unwrap_or_default());
    let [left, right] = &texts;
    PARTS.iter().find_map(|part| {
        let mut path = vec![(*part).to_owned()];
        let (recorded_fact, decided_fact) = descend(left.get(part), right.get(part), &mut path)?;
        Some(Fact {
            concerns: concerns(recorded, decided, &path),
            path: pointer(&path),
            recorded: recorded_fact.cloned(),
            decided: decided_fact.cloned(),
        })
    })
}

/// Both sides of the first difference; `path` then leads to it.
fn descend<'a>(
    left: Option<&'a Value>,
    right: Option<&'a Value>,
    path: &mut Vec<String>,
) -> Option<(Option<&'a Value>, Option<&'a Value>)> {
    if left == right {
        return None;
    }
    let names: Vec<String> = match (left, right) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => names(left, right),
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            (0..left.len().max(right.len())).map(|index| index.to_string()).collect()
        }
        _ => Vec::new(),
    };
    for name in names {
        let [left, right] = [left, right].map(|side| child(side, &name));
        path.push(name);
        if let Some(found) = descend(left, right, path) {
            return Some(found);
        }
        path.pop();
    }
    Some((left, right))
}

/// The names of both objects, sorted.
fn names(left: &Map<String, Value>, right: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = left.keys().chain(right.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names
}

fn child<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    match value? {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    }
}

/// Source: RFC 6901, section 3: `~` is `~0`, `/` is `~1`.
fn pointer(path: &[String]) -> String {
    let mut text = String::new();
    for name in path {
        text.push('/');
        text.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    text
}

/// What a place in a plan is about.
fn concerns(recorded: &Plan, decided: &Plan, path: &[String]) -> String {
    let part = path.first().map(String::as_str).unwrap_or_default();
    let index = path.get(1).and_then(|index| index.parse::<usize>().ok());
    let sides = [recorded, decided].map(|plan| entry(plan, part, index?));
    match sides {
        [Some(recorded), Some(decided)] if recorded == decided => recorded,
        [Some(recorded), Some(decided)] => format!("recorded {recorded}; decided {decided}"),
        [Some(recorded), None] => format!("only recorded: {recorded}"),
        [None, Some(decided)] => format!("only decided: {decided}"),
        [None, None] if part == "wakeUp" => "when to look again".to_owned(),
        [None, None] => "lists that are too old".to_owned(),
    }
}

fn entry(plan: &Plan, part: &str, index: usize) -> Option<String> {
    match part {
        "steps" => plan.steps.get(index).map(step),
        "waits" => plan.waits.get(index).map(wait),
        "notices" => plan.notices.get(index).map(notice),
        _ => None,
    }
}

fn step(step: &Step) -> String {
    let Step { stage, action, because } = step;
    format!("{stage}: {} {} because {}", action.verb(), action.object(), because.code())
}

fn wait(wait: &Wait) -> String {
    format!("wait: {} because {}", wait.object, wait.because.code())
}

fn notice(notice: &Notice) -> String {
    format!("notice: {} about {}", notice.reason, notice.about)
}

#[cfg(test)]
mod tests {
    use kaspr_core::plan::Stage;
    use kaspr_core::{Action, Manifest, ObjectKind, ObjectRef, Precondition, Reason, Uptime};
    use serde_json::json;

    use super::*;

    fn plan(bodies: &[Value]) -> Plan {
        let step = |body: &Value| {
            let name = body["name"].as_str().unwrap();
            let object = ObjectRef::new(ObjectKind::ConfigMap, "shop", name);
            let manifest = Manifest { object, body: body.clone() };
            let action = Action::Apply { manifest, over: Precondition::Absent };
            Step { stage: Stage::Foundation, action, because: Reason::Missing }
        };
        Plan { steps: bodies.iter().map(step).collect(), ..Plan::default() }
    }

    fn check(recorded: &Plan, decided: &Plan, concerns: &str, fact: &str, values: &[Value; 2]) {
        let found = first(recorded, decided).unwrap();
        assert_eq!(found.concerns, concerns);
        assert_eq!(found.path, fact);
        assert_eq!(&[found.recorded, found.decided].map(Option::unwrap_or_default), values);
    }

    #[test]
    fn equal_plans_do_not_differ() {
        let one = plan(&[json!({ "name": "a" })]);
        assert_eq!(first(&one, &one.clone()), None);
    }

    #[test]
    fn a_field_is_named_by_its_pointer() {
        check(
            &plan(&[json!({ "name": "a", "data": { "x/y~z": [1, 2] } })]),
            &plan(&[json!({ "name": "a", "data": { "x/y~z": [1, 3] } })]),
            "foundation: Create ConfigMap a because Missing",
            "/steps/0/action/apply/manifest/body/data/x~1y~0z/1",
            &[json!(2), json!(3)],
        );
    }

    #[test]
    fn a_step_that_is_missing_is_named() {
        let recorded = plan(&[json!({ "name": "a" }), json!({ "name": "b" })]);
        let decided = plan(&[json!({ "name": "a" })]);
        let step = serde_json::to_value(&recorded.steps[1]).unwrap();
        check(
            &recorded,
            &decided,
            "only recorded: foundation: Create ConfigMap b because Missing",
            "/steps/1",
            &[step, Value::Null],
        );
    }

    #[test]
    fn a_step_in_the_place_of_another_is_named_beside_it() {
        check(
            &plan(&[json!({ "name": "a" }), json!({ "name": "b" })]),
            &plan(&[json!({ "name": "b" })]),
            "recorded foundation: Create ConfigMap a because Missing; \
             decided foundation: Create ConfigMap b because Missing",
            "/steps/0/action/apply/manifest/body/name",
            &[json!("a"), json!("b")],
        );
    }

    #[test]
    fn the_instant_to_look_again_comes_last() {
        let at = |millis| Plan { wake_up: Some(Uptime(millis)), ..Plan::default() };
        check(&at(5), &at(6), "when to look again", "/wakeUp", &[json!(5), json!(6)]);
    }
}
