//! Any text has a verdict: no panic, no overflow of the stack, no long wait.

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::thread;

    use kaspr_python::check;

    /// As much as a test may have at least, and less than any thread of the operator has.
    const STACK: usize = 1024 * 1024;

    /// Depths around each limit: of brackets, of what is judged, and far beyond.
    const DEPTHS: [usize; 7] = [20, 100, 199, 1_000, 9_990, 10_100, 100_000];

    /// Runs on a thread with a small stack: an overflow would end the test process.
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
    }

    fn repeated(before: &str, part: &str, after: &str, times: usize) -> String {
        format!("{before}{}{after}", part.repeat(times))
    }

    #[test]
    fn deep_code_has_a_verdict() {
        on_a_small_stack(|| {
            for times in DEPTHS {
                for [before, part, after] in [
                    ["", "-", "a"],
                    ["", "not ", "a"],
                    ["", "a + ", "a"],
                    ["", "a ** ", "a"],
                    ["a", ".b", ""],
                    ["a", "()", ""],
                    ["a", "[0]", ""],
                    ["", "a if b else ", "c"],
                    ["", "lambda a, b: ", "c"],
                    ["", "lambda a=", "c"],
                    ["", "await ", "a"],
                    ["", "yield a, ", "b"],
                    ["", "yield from ", "b"],
                    ["", "*", "a"],
                    ["", "if a: ", "pass"],
                    ["", "else: ", ""],
                    ["", "async ", ""],
                    ["", "try: ", ""],
                    ["", "@", ""],
                    ["", "(", ""],
                    ["", "[", ""],
                    ["", "{1: ", ""],
                    ["", "f(", ""],
                    ["", "(lambda: ", ""],
                    ["", "f'{", ""],
                    ["", "f\"{f'{", ""],
                    ["f'{a:", "{a:", ""],
                    ["", "t'{", ""],
                    ["match a:\n case ", "1 | ", "2: pass"],
                    ["match a:\n case ", "-", "1: pass"],
                    ["match a:\n case ", "[", ""],
                    ["match a:\n case a", ".a", ": pass"],
                    ["match a:\n case 1: ", "match a: case 1: ", ""],
                    ["", "class A(", ""],
                    ["", "def f(a=", ""],
                    ["", "type A[T: ", ""],
                    ["[a", " for a in b", "]"],
                    ["[a for a in b", " if a", "]"],
                ] {
                    let _ = check(&repeated(before, part, after, times));
                }
            }
        });
    }

    #[test]
    fn long_code_has_a_verdict() {
        on_a_small_stack(|| {
            let times = 50_000;
            for code in [
                repeated("if a: pass\n", "elif b: pass\n", "", times),
                repeated("", "a = 1\n", "", times),
                repeated("", "a;", "a", times),
                repeated("", "def f(a): return a\n", "", times),
                repeated("", "@a\n", "def f(): pass\n", times),
                repeated("a = [", "'text', ", "]", times),
                repeated("a = (", "'text' ", ")", times),
                repeated("a = {", "'a': lambda b: b, ", "}", 5_000),
                repeated("a", " or a", "", times),
                repeated("a", " < a", "", 5_000),
                repeated("a = ", "a = ", "1", times),
                repeated("match a:\n", "    case b if b: pass\n", "", times),
            ] {
                assert_eq!(check(&code).map(|_| ()), Ok(()));
            }
        });
    }

    #[test]
    fn more_brackets_than_cpython_takes_are_a_problem() {
        on_a_small_stack(|| {
            for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")")] {
                let nested = |times: usize| open.repeat(times) + &close.repeat(times);
                assert!(check(&nested(200)).is_ok());
                let problem = check(&nested(201)).unwrap_err();
                assert_eq!(problem.message, "too many nested parentheses");
            }
        });
    }

    #[test]
    fn more_levels_and_blocks_than_cpython_takes_are_a_problem() {
        let nested = |head: &str, times: usize| {
            let mut code = String::new();
            for level in 0..times {
                writeln!(code, "{}{head}", " ".repeat(level)).unwrap();
            }
            code + &" ".repeat(times) + "pass\n"
        };
        assert!(check(&nested("if a:", 99)).is_ok());
        let problem = check(&nested("if a:", 100)).unwrap_err();
        assert_eq!((problem.line, &*problem.message), (101, "too many levels of indentation"));
        assert!(check(&nested("while a:", 20)).is_ok());
        let problem = check(&nested("while a:", 21)).unwrap_err();
        assert_eq!((problem.line, &*problem.message), (21, "too many statically nested blocks"));
    }

    #[test]
    fn garbage_is_refused() {
        on_a_small_stack(|| {
            let mut seed: u32 = 1;
            let mut next = |bound: u32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) % bound
            };
            // Without `#`: behind it anything is good.
            let letters: String =
                (0..1_000_000).map(|_| char::from_u32(36 + next(91)).unwrap()).collect();
            assert!(check(&letters).is_err());
            let base64: String =
                (0..1_000_000).map(|_| char::from_u32(43 + next(80)).unwrap()).collect();
            assert!(check(&base64).is_err());
            let lines: String = (0..1_000_000)
                .map(|_| {
                    char::from_u32([next(128), next(0xd000)][usize::from(next(9) == 0)]).unwrap()
                })
                .collect();
            assert!(check(&lines).is_err());
        });
    }

    #[test]
    fn any_beginning_of_good_code_has_a_verdict() {
        let code = concat!(
            "from __future__ import annotations\r\n",
            "import re; match = re.match(r\"\\d\", '1')\r",
            "@cache\nasync def f(a, /, b: int = 1, *c: *T, d, **e) -> None:\n",
            "\ttry:\n\t\traise;\n\texcept* A as error: pass\n",
            "\tx = f\"{a!r:>{b}}{{}}\\N{DIGIT ONE}\" f'{(lambda: 1)()=}' rb''\n",
            "\tmatch x:\n\t\tcase {'k': [1, *_], **rest} | P(_=x): return [y async for y in (yield)]\n",
            "class C[T: (int, str), *Ts]((A), metaclass=M): a = [(b := 1)]\n",
            "type X[**P] = 'é' \"\"\"\n\\\u{1f600}\"\"\"\n",
        );
        for end in (0..=code.len()).filter(|end| code.is_char_boundary(*end)) {
            let _ = check(&code[..end]);
            let _ = check(&code[end..]);
        }
    }
}
