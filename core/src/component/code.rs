//! Rules for code, operations and topics that agents, tasks and web views share.

use std::collections::BTreeSet;

use kaspr_crds::{Code, Operation, PYTHON_KEYWORDS, Processors, TableRef, TopicOut};

use crate::invalid::Invalid;
use crate::mask;

/// A code block: code that compiles and holds the function that is to be called. A worker executes it
/// at its start, and one that does not compile ends all of them.
pub(super) fn check_code(at: &str, code: Option<&Code>, problems: &mut Vec<Invalid>) {
    check_function(at, code, &Scope::default(), problems);
}

/// What a code block is executed in: what the `init` block of its processors binds.
#[derive(Default)]
struct Scope {
    init: Option<kaspr_python::Code>,
}

impl Scope {
    fn may_bind(&self, name: &str) -> bool {
        self.init.as_ref().is_some_and(|init| init.may_bind(name))
    }

    fn binds_nothing(&self) -> bool {
        self.init.as_ref().is_none_or(kaspr_python::Code::binds_nothing)
    }
}

/// Reads a block's code; none where there is none, or it is wrong, or its text is not known.
fn read(at: &str, code: &Code, problems: &mut Vec<Invalid>) -> Option<kaspr_python::Code> {
    if code.python.trim().is_empty() {
        problems.push(Invalid::new(
            format!("{at}.python"),
            "there is no code",
            "add the Python source, or remove the block",
        ));
        return None;
    }
    if mask::is_mask(&code.python) {
        return None;
    }
    match kaspr_python::check(&code.python) {
        Ok(read) => Some(read),
        Err(kaspr_python::Problem { line, message, .. }) => {
            problems.push(Invalid::new(
                format!("{at}.python"),
                format!("line {line}: {message}"),
                "correct the Python: no worker starts with it",
            ));
            None
        }
    }
}

/// A block whose function is called; gives what is known of that function.
fn check_function(
    at: &str,
    code: Option<&Code>,
    scope: &Scope,
    problems: &mut Vec<Invalid>,
) -> Option<kaspr_python::Parameters> {
    let code = code?;
    if let Some(name) = code.entrypoint.as_ref().filter(|name| !is_identifier(name)) {
        problems.push(
            Invalid::new(
                format!("{at}.entrypoint"),
                "it is no name of a function",
                "name a function that the code defines",
            )
            .with_value(&name.as_str().into()),
        );
    }
    let read = read(at, code, problems)?;
    let defined = read.defined();
    match code.entrypoint.as_deref().filter(|name| is_identifier(name)) {
        Some(name) if !read.may_bind(name) && !scope.may_bind(name) => {
            let known = if defined.is_empty() {
                "the code defines no function".to_owned()
            } else {
                format!("the code defines {}", defined.join(", "))
            };
            let remedy = "name one of these, or define it";
            problems.push(
                Invalid::new(format!("{at}.entrypoint"), known, remedy).with_value(&name.into()),
            );
            None
        }
        Some(name) => read.parameters(name).cloned(),
        None if read.binds_nothing() && scope.binds_nothing() => {
            let remedy = "define a function: the first one is called";
            let problem = "there is nothing to call in it";
            problems.push(Invalid::new(format!("{at}.python"), problem, remedy));
            None
        }
        None => None,
    }
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}

/// The rules of a processors block: an unknown name in the pipeline ends the worker's start.
pub(super) fn check_processors(processors: &Processors, problems: &mut Vec<Invalid>) {
    let init = processors.init.as_ref();
    let scope = Scope { init: init.and_then(|init| read("spec.processors.init", init, problems)) };
    let operations = processors.operations.as_deref().unwrap_or_default();
    let pipeline = processors.pipeline.as_deref().unwrap_or_default();
    for (list, field, what) in [
        (operations.is_empty(), "operations", "no operation"),
        (pipeline.is_empty(), "pipeline", "nothing to run"),
    ] {
        if list {
            problems.push(Invalid::new(
                format!("spec.processors.{field}"),
                format!("there is {what}"),
                "name at least one operation in both operations and pipeline",
            ));
        }
    }
    let mut names = BTreeSet::new();
    for (index, operation) in operations.iter().enumerate() {
        check_operation(index, operation, &scope, &mut names, problems);
    }
    for (index, name) in pipeline.iter().enumerate() {
        if !names.contains(name.as_str()) {
            problems.push(
                Invalid::new(
                    format!("spec.processors.pipeline[{index}]"),
                    "no operation has this name",
                    "name one of spec.processors.operations",
                )
                .with_value(&name.as_str().into()),
            );
        }
    }
}

fn check_operation<'a>(
    index: usize,
    operation: &'a Operation,
    scope: &Scope,
    names: &mut BTreeSet<&'a str>,
    problems: &mut Vec<Invalid>,
) {
    let at = format!("spec.processors.operations[{index}]");
    match operation.name.as_deref().filter(|name| !name.is_empty()) {
        None => problems.push(Invalid::new(
            format!("{at}.name"),
            "the operation has no name",
            "add a name for the pipeline to use",
        )),
        Some(name) if !names.insert(name) => problems.push(
            Invalid::new(
                format!("{at}.name"),
                "another operation has this name",
                "give each operation a name of its own",
            )
            .with_value(&name.into()),
        ),
        Some(_) => {}
    }
    let given =
        [operation.map.is_some(), operation.filter.is_some(), operation.topic_send.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        problems.push(Invalid::new(
            at.clone(),
            "an operation does exactly one of map, filter and topicSend",
            "keep one of them, and make further operations of the others",
        ));
    }
    let tables = operation.tables.as_deref().unwrap_or_default();
    for (field, code) in [("map", &operation.map), ("filter", &operation.filter)] {
        let at = format!("{at}.{field}");
        if let Some(parameters) = check_function(&at, code.as_ref(), scope, problems) {
            check_parameters(&at, &parameters, tables, problems);
        }
    }
    if let Some(topic) = &operation.topic_send {
        check_topic(&format!("{at}.topicSend"), topic, problems);
    }
    check_tables(&at, tables, problems);
}

/// Tables are passed by name: a function without such a parameter fails at each event.
fn check_parameters(
    at: &str,
    parameters: &kaspr_python::Parameters,
    tables: &[TableRef],
    problems: &mut Vec<Invalid>,
) {
    for table in tables.iter().filter(|table| !parameters.takes(&table.param_name)) {
        problems.push(
            Invalid::new(
                format!("{at}.entrypoint"),
                format!("its function takes no {}, as which a table is passed", table.param_name),
                "add the parameter to the function, or correct paramName",
            )
            .with_value(&table.name.as_str().into()),
        );
    }
}

fn check_tables(at: &str, tables: &[TableRef], problems: &mut Vec<Invalid>) {
    let mut parameters = BTreeSet::new();
    for (index, table) in tables.iter().enumerate() {
        let at = format!("{at}.tables[{index}]");
        let value = table.param_name.as_str().into();
        if table.name.is_empty() {
            problems.push(Invalid::new(
                format!("{at}.name"),
                "no table is named",
                "name a KasprTable of the app",
            ));
        }
        if PYTHON_KEYWORDS.contains(&table.param_name.as_str()) {
            problems.push(
                Invalid::new(
                    format!("{at}.paramName"),
                    "it is a keyword of Python",
                    "choose another name",
                )
                .with_value(&value),
            );
        }
        if !parameters.insert(table.param_name.as_str()) {
            problems.push(
                Invalid::new(
                    format!("{at}.paramName"),
                    "another table of the operation has this parameter",
                    "give each table a parameter of its own",
                )
                .with_value(&value),
            );
        }
    }
}

/// The rules of a topic that is written to.
pub(super) fn check_topic(at: &str, topic: &TopicOut, problems: &mut Vec<Invalid>) {
    let has_name = topic.name.as_deref().is_some_and(|name| !name.is_empty());
    if has_name == topic.name_selector.is_some() {
        problems.push(Invalid::new(
            at,
            "a topic needs exactly one of name and nameSelector",
            "remove one, or add the missing one",
        ));
    }
    for (field, code) in [
        ("nameSelector", &topic.name_selector),
        ("keySelector", &topic.key_selector),
        ("valueSelector", &topic.value_selector),
        ("partitionSelector", &topic.partition_selector),
        ("headersSelector", &topic.headers_selector),
        ("predicate", &topic.predicate),
    ] {
        check_code(&format!("{at}.{field}"), code.as_ref(), problems);
    }
    check_at_least_one(at, "partitions", topic.partitions, problems);
    check_at_least_one(at, "replicas", topic.replicas, problems);
    check_scalars(&format!("{at}.config"), topic.config.as_ref(), problems);
}

/// A count of partitions or replicas, where it is given.
pub(super) fn check_at_least_one(
    at: &str,
    field: &str,
    count: Option<i64>,
    problems: &mut Vec<Invalid>,
) {
    if let Some(count) = count.filter(|count| *count < 1) {
        problems.push(
            Invalid::new(format!("{at}.{field}"), "it is below 1", "use 1 or more")
                .with_value(&count.into()),
        );
    }
}

/// A map of settings holds texts, numbers and booleans, nothing nested.
pub(super) fn check_scalars(
    at: &str,
    map: Option<&std::collections::BTreeMap<String, kaspr_crds::Scalar>>,
    problems: &mut Vec<Invalid>,
) {
    for (key, value) in map.into_iter().flatten() {
        if value.0.is_object() || value.0.is_array() || value.0.is_null() {
            problems.push(Invalid::new(
                crate::schema::join(at, key),
                "it must be a string, a number or a boolean",
                "write a single value",
            ));
        }
    }
}
