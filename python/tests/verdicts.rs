//! Holds the verdicts against those of CPython 3.12 in `tests/suite/python/snippets.jsonl`.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use kaspr_python::check;

    const SNIPPETS: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/suite/python/snippets.jsonl");

    /// Snippets that CPython refuses and we accept, each with the reason. None is the other way
    /// round: what CPython accepts is never refused.
    const DIFFERS: [(&str, &str); 0] = [];

    /// Of the snippets that both refuse, how many have the problem on the same line, in percent.
    const SAME_LINE_LEAST: usize = 95;

    struct Snippet {
        name: String,
        code: String,
        is_accepted: bool,
        line: Option<usize>,
    }

    fn snippets() -> Vec<Snippet> {
        let text = fs::read_to_string(SNIPPETS).expect("the snippets are there");
        let snippets: Vec<_> = text.lines().map(snippet).collect();
        assert!(snippets.len() > 1000, "there are {} snippets", snippets.len());
        snippets
    }

    fn snippet(line: &str) -> Snippet {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        Snippet {
            name: value["name"].as_str().expect("it has a name").to_owned(),
            code: value["code"].as_str().expect("it has code").to_owned(),
            is_accepted: value["accepted"].as_bool().expect("it has a verdict"),
            line: value["line"].as_u64().and_then(|line| usize::try_from(line).ok()),
        }
    }

    #[test]
    fn verdicts_are_those_of_cpython() {
        let differs: BTreeSet<&str> = DIFFERS.iter().map(|(name, _)| *name).collect();
        let mut report = Vec::new();
        for Snippet { name, code, is_accepted, .. } in snippets() {
            let is_known = differs.contains(name.as_str());
            match (is_accepted, check(&code)) {
                (true, Err(problem)) => {
                    report.push(format!("refused, but good: {name}: {problem:?}"));
                }
                (false, Ok(_)) if !is_known => report.push(format!("accepted, but bad: {name}")),
                (false, Err(_)) if is_known => report.push(format!("no longer differs: {name}")),
                _ => {}
            }
        }
        assert!(report.is_empty(), "{} differ\n{}", report.len(), report.join("\n"));
    }

    #[test]
    fn problems_are_on_the_line_that_cpython_names() {
        let refused: Vec<_> = snippets().into_iter().filter(|one| one.line.is_some()).collect();
        let is_on_line =
            |one: &&Snippet| check(&one.code).err().map(|problem| problem.line) == one.line;
        let same = refused.iter().filter(is_on_line).count();
        assert!(same * 100 >= refused.len() * SAME_LINE_LEAST, "{same} of {}", refused.len());
    }

    #[test]
    fn messages_are_short_and_hold_no_line_and_no_text_of_the_code() {
        for Snippet { name, code, .. } in snippets() {
            let Err(problem) = check(&code) else { continue };
            let message = problem.message;
            assert!(message.chars().count() < 120, "{name}: {message}");
            let lines = code.lines().map(str::trim).filter(|line| line.len() > 12);
            let texts = code.split(['"', '\'']).skip(1).step_by(2).filter(|text| text.len() > 12);
            for part in lines.chain(texts) {
                assert!(!message.contains(part), "{name}: {message}");
            }
        }
    }
}
