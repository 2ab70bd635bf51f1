//! Rules that are easily got wrong: what CPython 3.12 takes, and beside it what it refuses.

#[cfg(test)]
mod tests {
    use kaspr_python::check;

    fn check_all(good: &[&str], bad: &[&str]) {
        for code in good {
            assert_eq!(check(code).map(|_| ()), Ok(()), "{code:?}");
        }
        for code in bad {
            assert!(check(code).is_err(), "{code:?}");
        }
    }

    #[test]
    fn soft_keywords_are_names_too() {
        check_all(
            &[
                "import re; match = re.match('a', b)\n",
                "x; match\n",
                "x; match.y = match(1)[2]\n",
                "if x: y; match = 1\n",
                "type = case = lazy = _ = 1; type; case\n",
                "match match:\n    case case: pass\n",
                "match (x):\n    case [match, type]: pass\n",
            ],
            &[
                "x; match y:\n    case 1: pass\n",
                "x; match() = 1\n",
                "x; match + 1 += 2\n",
                "x; match: 1 = y = 2\n",
                "lazy import x\n",
                "type X[T = int] = T\n",
            ],
        );
    }

    #[test]
    fn semicolons_end_statements() {
        check_all(
            &["raise;\n", "raise ; x\n", "if x: raise; y\n", "def f():\n    return;\n", "x;y;\n"],
            &["raise x;;\n", ";x\n", "x; ; y\n", "raise from x;\n", "x; if y: z\n"],
        );
    }

    #[test]
    fn indentation_counts_tabs_twice() {
        check_all(
            &[
                "if x:\n\ty\n\tz\n",
                "if x:\n        y\nelse:\n\ty\n",
                "if x:\n \ty\n \tif z:\n \t y\n",
                "if x:\n\t\\\n    y\n",
                "if x:\n    y\n\x0cz\n",
                "if x:\n\ty = (1,\n  2)\n\tz\n",
                "if x:\r\n\ty\r\n\tz\r\n",
                "if x:\n\ty = '''\n  '''\n  # z\n\tz\n",
            ],
            &[
                "if x:\n\ty\n        z\n",
                "if x:\n        y\n\tz\n",
                "if x:\n  \ty\n\tz\n",
                "if x:\n    y\n  z\n",
                "  x\n",
            ],
        );
    }

    #[test]
    fn format_strings_nest() {
        check_all(
            &[
                "f'{x:{y:{z}}}'\n",
                "f'{x!r:>{w}}{{}}'\n",
                "f'{x:%H:%M}{y[1:2]}{(lambda: 1)()}{z:=10}'\n",
                "f'{f'{f'{x}'}'}'\n",
                "f'{x:>10\n}'\n",
                "f'{x:\n{y}}'\n",
                "f'{\nx # }\n}'\n",
                "f'\\N{DIGIT ONE}\\{x}' rf'\\{x}'\n",
                "f'''{x:\n}'''\n",
            ],
            &[
                "f'{x:{y:{z:{w}}}}'\n",
                "f'{x:\ny}'\n",
                "f'{lambda: 1}'\n",
                "f'{x!}'\n",
                "f'}'\n",
                "f'{'\n",
                "f'{x\n",
                "f'{*x}'\n",
                "f'{(x}'\n",
                "t'{x}'\n",
            ],
        );
    }

    #[test]
    fn yield_needs_parentheses_within_expressions() {
        check_all(
            &[
                "def f():\n    x = yield\n    x += yield x, 1\n    x: y = yield from z\n",
                "def f():\n    x = (yield) + (yield x)\n    g((yield))\n    f'{yield x}'\n",
                "def f():\n    return [x for x in (yield)]\n",
                "f = lambda: (yield)\n",
                "def f(x: (yield) = 1): pass\n".replace("def", "def g():\n    def").as_str(),
            ],
            &[
                "def f():\n    yield % x\n",
                "def f():\n    x = yield, 1\n",
                "def f():\n    x = (yield, 1)\n",
                "def f():\n    yield if x else y\n",
                "def f():\n    yield < x\n",
                "def f():\n    return [(yield) for x in y]\n",
            ],
        );
    }

    #[test]
    fn stars_stand_where_something_takes_them() {
        check_all(
            &[
                "x = [*a, *(b or c)], {*a}, {**a, **(b if c else d)}\n",
                "f(*a or b, **c or d)\n",
                "x[*a or b] = x[*a]\n",
                "for x in *a, b: pass\n",
                "*a, b = [*c, d] = e\n",
                "def f(*args: *Ts): pass\n",
                "a[*b]: int = 1\n",
            ],
            &[
                "x = [*(a) or b]\n",
                "x = {**(a) or b}\n",
                "x = *a\n",
                "*a = b\n",
                "*a, *b = c\n",
                "print((*a))\n",
                "a[*b]: int\n",
                "def f(x: *Ts): pass\n",
                "del *a\n",
            ],
        );
    }

    #[test]
    fn targets_have_their_parentheses_in_place() {
        check_all(
            &["(a): int\n", "(a.b): int\n", "((a).b): int\n", "a.b[0]: int = 1\n", "(a) = 1\n"],
            &["(a).b: int\n", "(a)[0]: int = 1\n", "(a, b): int\n", "((a) := 1)\n", "(a) := 1\n"],
        );
    }

    #[test]
    fn patterns_are_no_expressions() {
        let case = |pattern: &&str| format!("match x:\n    case {pattern}:\n        pass\n");
        let good = [
            "-1 | -1.5 + 2j | 'a' 'b'",
            "[a, *_] | (_, a)",
            "{'k': a, **b}",
            "P(_=a)",
            "P(a, b=_)",
            "{-1: a, 1: b, c.d: e, c.d: f}",
            "a.b | 1 | _",
            "[[a] | (a, _), b]",
            "(a as b)",
            "{_.a: 1}",
            "(*a,)",
            "[1]",
            "1 as a",
            "{True: a, 2: b}",
        ];
        let bad = [
            "[a b]",
            "-(1)",
            "1 + (2j)",
            "-1 ** 2",
            "_.a",
            "_()",
            "(P)()",
            "P((a)=1)",
            "(*a)",
            "{1: a, True: b}",
            "{1.0: a, 1 + 0j: b}",
            "a | 1",
            "[a, (a | a)]",
            "[a] | [b]",
            "f'a'",
            "{f'a': 1}",
            "P(a=1, a=2)",
            "[*a, *b]",
            "[a, a]",
            "__debug__",
            "P(__debug__=1)",
        ];
        for pattern in &good {
            assert_eq!(check(&case(pattern)).map(|_| ()), Ok(()), "{pattern}");
        }
        for pattern in &bad {
            assert!(check(&case(pattern)).is_err(), "{pattern}");
        }
    }

    #[test]
    fn waiting_needs_an_async_function_or_a_generator_expression() {
        check_all(
            &[
                "def f(): return (await x for x in y)\n",
                "x = (await x async for x in y)\n",
                "def f(): return ([await x for x in y] for z in w)\n",
                "async def f(): return [[x async for x in y] for z in w]\n",
                "def f():\n    x: (await y)\n",
                "from __future__ import annotations\ndef f(x: f(a=1, a=2)): pass\n",
            ],
            &[
                "await x\n",
                "def f(): return [await x for x in y]\n",
                "def f(): return (x for x in await y)\n",
                "async def f(): return lambda: [x async for x in y]\n",
                "async def f():\n    class A: x = [await y for z in w]\n",
                "x: (await y)\n",
                "from __future__ import annotations\nasync def f(x: await y): pass\n",
            ],
        );
    }

    #[test]
    fn returns_and_breaks_stay_in_their_blocks() {
        check_all(
            &[
                "try: x\nexcept* A:\n    for y in z: break\n",
                "try: x\nexcept* A:\n    def f(): return\n",
                "while x:\n    try: y\n    finally: continue\n",
                "async def f():\n    yield\n    return\n",
                "def f():\n    yield\n    return 1\n",
            ],
            &[
                "while x:\n    try: y\n    except* A: break\n",
                "def f():\n    try: x\n    except* A:\n        with y: return\n",
                "for x in y:\n    class A: break\n",
                "async def f():\n    yield\n    return 1\n",
                "try: x\nexcept: y\nexcept A: z\n",
                "try: x\nelse: y\nfinally: z\n",
            ],
        );
    }

    #[test]
    fn declarations_come_before_uses_in_the_order_of_cpython() {
        check_all(
            &[
                "def f():\n    import x\n    global x\n",
                "def f():\n    try: y\n    except A: x = 1\n    else:\n        global x\n",
                "class A:\n    global x\n    x = 1\n",
                "global x\nx: int = 1\n",
                "def f():\n    class A:\n        nonlocal x\n    x = 1\n",
                "class A:\n    def f(self):\n        nonlocal __class__\n",
                "def f():\n    global x\n    [x := 1 for y in z]\n",
            ],
            &[
                "def f():\n    x\n    global x\n",
                "def f():\n    x: int\n    global x\n",
                "def f():\n    global x\n    x: int = 1\n",
                "def f(x):\n    global x\n",
                "class A:\n    x = 1\n    def f(self):\n        nonlocal x\n",
                "def f():\n    super()\n    nonlocal __class__\n"
                    .replace("def f", "class A:\n  def f")
                    .as_str(),
                "class A:\n    x = [(y := 1) for z in w]\n",
                "[(x := 1) for x in y]\n",
            ],
        );
    }

    #[test]
    fn private_names_are_the_class_s_own() {
        check_all(
            &[
                "class A:\n    def f(self, __x, _B__x): pass\n",
                "class A:\n    class B[_A__x, __x]: pass\n",
                "class _:\n    def f(self, __x, ___x): pass\n",
                "def f():\n    class A:\n        def g(self):\n            __x = 1\n            def h():\n                nonlocal __x\n",
            ],
            &[
                "class A:\n    def f(self, __x, _A__x): pass\n",
                "class A:\n    class B[_B__x, __x]: pass\n",
                "class __A:\n    def f(self, __x, _A__x): pass\n",
                "def f():\n    __x = 1\n    class A:\n        def g(self):\n            nonlocal __x\n",
            ],
        );
    }

    #[test]
    fn generics_have_scopes_of_their_own() {
        check_all(
            &[
                "def f[T: (int, str), *Ts, **P](x: T) -> T: pass\n",
                "type X[T] = lambda: (yield)\n",
                "class A:\n    def f[T](self, x=[y for y in z]): pass\n",
                "def f[T]():\n    T = 1\n",
            ],
            &[
                "def f[T, T](): pass\n",
                "type X = (y := 1)\n",
                "class A[T](x := 1): pass\n",
                "class A:\n    type X = [y for y in z]\n",
                "class A:\n    def f[T](self, x: lambda: 1): pass\n",
                "def f[T]():\n    nonlocal T\n",
            ],
        );
    }

    #[test]
    fn the_future_comes_first() {
        check_all(
            &[
                "'text'\nfrom __future__ import annotations, division\n",
                "from __future__ import division; from __future__ import annotations\n",
            ],
            &[
                "'text'\n'text'\nfrom __future__ import annotations\n",
                "f'text'\nfrom __future__ import annotations\n",
                "x\nfrom __future__ import annotations\n",
                "from __future__ import annotation\n",
                "from .__future__ import x\n",
                "def f():\n    from __future__ import annotations\n",
            ],
        );
    }

    #[test]
    fn literals_have_limits() {
        let digits = |count: usize| "1".repeat(count);
        check_all(
            &[&digits(4300), &format!("0x{}", digits(5000)), &format!("{}j", digits(5000))],
            &[&digits(4301), &format!("-{}", digits(4301))],
        );
        check_all(
            &["'\\ud800' '\\N{LF}' '\\777' '\\d'; b'\\xff'\n", "1if x else 2\n", "0x1for x in y\n"],
            &[
                "'\\x1'\n",
                "'\\N{NO SUCH NAME}'\n",
                "b'é'\n",
                "'a' b'b'\n",
                "012\n",
                "1__0\n",
                "1_\n",
            ],
        );
    }
}
