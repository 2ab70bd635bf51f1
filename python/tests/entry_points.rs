//! What is known of good code, as the check of an entry point asks for it.

#[cfg(test)]
mod tests {
    use kaspr_python::{Code, check};

    fn code(source: &str) -> Code {
        check(source).unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"))
    }

    fn may_bind(source: &str, name: &str) -> bool {
        code(source).may_bind(name)
    }

    #[test]
    fn a_name_may_be_bound_by_any_statement_at_the_top() {
        for source in [
            "def f(): pass",
            "async def f(): pass",
            "class f: pass",
            "import f",
            "import f.g",
            "import g as f",
            "from g import f",
            "from g import h as f",
            "f = 1",
            "f: int = 1",
            "f += 1",
            "a = (b, [*f]) = c",
            "print(f := 1)",
            "[f := a for a in b]",
            "for f in a: pass",
            "for a, (f, b) in c: pass",
            "with a as f: pass",
            "with a as (b, f): pass",
            "match a:\n    case [f]: pass",
            "match a:\n    case [*f]: pass",
            "match a:\n    case {**f}: pass",
            "match a:\n    case 1 as f: pass",
            "type f = int",
            "if a:\n    def f(): pass",
            "try:\n    import g\nexcept ImportError:\n    f = None",
            "while a:\n    f = 1",
            "def g(a=(f := 1)): pass",
            "def g():\n    global f\n    f = 1",
            "def g():\n    global f\n    def f(): pass",
            "def g():\n    global f\n    [f := a for a in b]",
            "class G:\n    global f\n    f = 1",
            "def f(): pass\ndel f",
        ] {
            assert!(may_bind(source, "f"), "{source:?}");
        }
    }

    #[test]
    fn a_name_is_not_bound_by_what_stays_inside() {
        for source in [
            "",
            "f",
            "f()",
            "f.a = 1",
            "f[0] = 1",
            "f: int",
            "del f",
            "def g(f): f = 1",
            "def g():\n    def f(): pass",
            "class G:\n    def f(self): pass",
            "g = lambda f: f",
            "g = lambda: (f := 1)",
            "[f for f in a]",
            "def g():\n    global f\n    print(f)",
            "def g[f](): pass",
            "import g.f",
            "from f import g",
            "import f as g",
            "try: pass\nexcept E as f: pass",
            "g(f=1)",
        ] {
            assert!(!may_bind(source, "f"), "{source:?}");
        }
    }

    #[test]
    fn any_name_may_come_from_where_nobody_sees() {
        for source in [
            "from g import *",
            "exec(g)",
            "globals()['f'] = 1",
            "def g(): globals().update(h)",
            "locals()['f'] = 1",
            "vars().update(g)",
            "setattr(g, 'f', 1)",
            "g.__dict__['f'] = 1",
            "def __getattr__(name): return g",
        ] {
            assert!(may_bind(source, "f"), "{source:?}");
        }
    }

    #[test]
    fn definitions_are_in_order_and_each_is_there_once() {
        let source = "import a.b\nfrom c import d as e, f\nx = 1\ng = h = lambda: 1\n\
                      i: object = lambda: 1\nclass J:\n    def k(self): pass\n\
                      if x:\n    def l(): pass\nelse:\n    def l(): pass\nfrom m import *\n";
        assert_eq!(code(source).defined(), ["a", "e", "f", "g", "h", "i", "J", "l"]);
    }

    #[test]
    fn parameters_are_known_of_a_plain_function() {
        let code = code("async def f(a, /, b, c=1, *d, e, g=2, **h): pass\ndef i(value): pass");
        let parameters = code.parameters("f").unwrap();
        assert_eq!(parameters.positional_only, ["a"]);
        assert_eq!(parameters.names, ["b", "c", "e", "g"]);
        assert!(parameters.has_star && parameters.has_star_star);
        assert!(parameters.takes("anything"));
        let parameters = code.parameters("i").unwrap();
        assert_eq!(parameters.names, ["value"]);
        assert!(!parameters.has_star && !parameters.has_star_star);
        assert!(parameters.takes("value") && !parameters.takes("other"));
    }

    #[test]
    fn parameters_are_unknown_where_the_name_may_be_something_else() {
        for source in [
            "",
            "f = 1",
            "class f: pass",
            "@cache\ndef f(a): pass",
            "def f(a): pass\nf = g(f)",
            "if a:\n    def f(a): pass\nelse:\n    def f(b): pass",
            "def f(a): pass\ndef g():\n    global f\n    f = h",
            "def f(a): pass\nfrom g import *",
            "def f(a): pass\nglobals()['f'] = 1",
            "class G:\n    def f(self): pass",
        ] {
            assert_eq!(code(source).parameters("f"), None, "{source:?}");
        }
    }

    #[test]
    fn of_code_that_is_too_deep_nothing_is_known() {
        let code = code(&("a + ".repeat(20_000) + "a"));
        assert!(code.may_bind("f"));
        assert!(code.defined().is_empty());
        assert_eq!(code.parameters("f"), None);
    }
}
