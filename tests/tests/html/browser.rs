//! A headless Chromium, driven over WebDriver (W3C): pages are opened, looked at and worked with as somebody would.
//!
//! The driver picks its own port, and everything that the browser writes goes to the test's place.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memtrace_tests::{Json, PATIENCE, Place};

/// What a key is in WebDriver.
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const TAB: &str = "\u{e004}";
pub const LEFT: &str = "\u{e012}";
pub const RIGHT: &str = "\u{e014}";
pub const DOWN: &str = "\u{e015}";

/// The browser. It ends with the test.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    browser_pid: u64,
}

impl Browser {
    /// Starts one; nothing: there is none on this machine, which is said.
    pub fn start(place: &Place, width: u32) -> Option<Browser> {
        let chromium =
            ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).exists());
        let home = place.join(&format!("browser-{width}"));
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", &home).env("TMPDIR", place.path()).stdin(Stdio::null());
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let (Some(chromium), Ok(mut driver)) = (chromium, started) else {
            println!("skipped: there is no chromium with its chromedriver");
            return None;
        };
        let said = BufReader::new(driver.stdout.take().expect("it is a pipe")).lines().map_while(Result::ok);
        let port = said
            .filter_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .next();
        let mut browser =
            Browser { driver, port: port.expect("the driver says its port"), session: String::new(), browser_pid: 0 };
        // Whatever a page asks for, no name leads anywhere but to tests that listen here.
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".to_owned(),
            format!("--user-data-dir={}", home.display()),
            format!("--window-size={width},1000"),
        ];
        let arguments: Vec<Json> = arguments.into_iter().map(Json::from).collect();
        let asked = format!(
            r#"{{"capabilities":{{"alwaysMatch":{{"goog:loggingPrefs":{{"browser":"ALL","performance":"ALL"}},
            "goog:chromeOptions":{{"binary":"{chromium}","args":{}}}}}}}}}"#,
            Json::from(arguments)
        );
        let session = browser.request("POST", "/session", &asked);
        browser.session = session["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {session}")).to_owned();
        browser.browser_pid = session["capabilities"]["goog:processID"].as_u64().unwrap_or(0);
        Some(browser)
    }

    /// Opens a page and waits until it is drawn; how long it took, in milliseconds of its own clock.
    pub fn open(&self, path: &Path) -> u64 {
        self.visit(path);
        let until = Instant::now() + PATIENCE;
        loop {
            let ready = self.run("return document.documentElement.dataset.ready ?? null");
            if let Some(ready) = ready.as_str() {
                return ready.parse().expect("a number");
            }
            assert!(Instant::now() < until, "{}: not drawn: {:?}", path.display(), self.complaints());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Opens a page that was not made by memtrace.
    pub fn visit(&self, path: &Path) {
        self.post("/url", &format!(r#"{{"url":"file://{}"}}"#, path.display()));
    }

    /// What a script gives.
    pub fn run(&self, script: &str) -> Json {
        self.post("/execute/sync", &format!(r#"{{"script":{},"args":[]}}"#, Json::from(script)))
    }

    /// The text of the first element that a selector finds, as it is shown.
    pub fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        self.get(&format!("/element/{element}/text")).as_str().expect("a text").to_owned()
    }

    /// How many elements a selector finds.
    pub fn count(&self, selector: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", Json::from(selector)))
            .as_u64()
            .expect("a number")
    }

    /// Clicks, as a pointer does: only what is to be seen can be clicked.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), "{}");
    }

    /// Types into an element.
    pub fn keys(&self, selector: &str, keys: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/value"), &format!(r#"{{"text":{}}}"#, Json::from(keys)));
    }

    /// Types without choosing an element: into whatever has the focus.
    pub fn press(&self, keys: &str) {
        let steps = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| format!(r#"{{"type":"{kind}","value":{}}}"#, Json::from(key.to_string())))
        });
        let steps: Vec<String> = steps.collect();
        self.post("/actions", &format!(r#"{{"actions":[{{"type":"key","id":"k","actions":[{}]}}]}}"#, steps.join(",")));
    }

    /// Drags over an element, from one part of its width to another, each from 0 to 1.
    pub fn drag(&self, selector: &str, parts: [f64; 2]) {
        let element = self.element(selector);
        let width =
            self.run(&format!("return document.querySelector({}).getBoundingClientRect().width", Json::from(selector)));
        let width = width.as_f64().expect("a number");
        let at = |part: f64| (width * (part - 0.5)) as i64;
        let origin = format!(r#"{{"element-6066-11e4-a52e-4f735466cecf":"{element}"}}"#);
        let go = |part: f64| format!(r#"{{"type":"pointerMove","origin":{origin},"x":{},"y":0}}"#, at(part));
        let steps = [
            go(parts[0]),
            r#"{"type":"pointerDown","button":0}"#.into(),
            go(parts[1]),
            r#"{"type":"pointerUp","button":0}"#.into(),
        ];
        self.post(
            "/actions",
            &format!(r#"{{"actions":[{{"type":"pointer","id":"p","actions":[{}]}}]}}"#, steps.join(",")),
        );
    }

    /// Waits until a script gives true.
    pub fn wait(&self, script: &str) {
        let until = Instant::now() + PATIENCE;
        while self.run(&format!("return Boolean({script})")) != true {
            assert!(Instant::now() < until, "never: {script}: {:?}", self.complaints());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As a system with dark colours has it, or not.
    pub fn set_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = format!(r#"[{{"name":"prefers-color-scheme","value":"{value}"}}]"#);
        self.post(
            "/goog/cdp/execute",
            &format!(r#"{{"cmd":"Emulation.setEmulatedMedia","params":{{"features":{features}}}}}"#),
        );
    }

    /// As a medium has it: `print`, or nothing for what there is.
    pub fn set_media(&self, medium: &str) {
        self.post(
            "/goog/cdp/execute",
            &format!(r#"{{"cmd":"Emulation.setEmulatedMedia","params":{{"media":"{medium}"}}}}"#),
        );
    }

    /// The page as a PDF, in Base64.
    pub fn print(&self) -> String {
        self.post("/print", "{}").as_str().expect("a text").to_owned()
    }

    /// What opening a page takes of the processor, in seconds of Chromium's own count: all tasks of the page's thread, its script,
    /// its layout with its styles.
    pub fn cost_of(&self, path: &Path) -> [f64; 3] {
        let ask = |command: &str, words: &str| {
            self.post("/goog/cdp/execute", &format!(r#"{{"cmd":"Performance.{command}","params":{words}}}"#))
        };
        ask("disable", "{}");
        // Seconds in which the thread ran, not those in which others did.
        ask("enable", r#"{"timeDomain":"threadTicks"}"#);
        let now = || {
            let metrics = ask("getMetrics", "{}")["metrics"].clone();
            let one = |name: &str| {
                let metric = metrics.as_array().into_iter().flatten().find(|metric| metric["name"] == name);
                metric.and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no {name}: {metrics}"))
            };
            [one("TaskDuration"), one("ScriptDuration"), one("LayoutDuration") + one("RecalcStyleDuration")]
        };
        let before = now();
        self.open(path);
        let after = now();
        [0, 1, 2].map(|place| after[place] - before[place])
    }

    /// What stands on the console: complaints of the page and of the browser about it.
    pub fn complaints(&self) -> Vec<String> {
        self.log("browser").iter().map(|line| line["message"].to_string()).collect()
    }

    /// Addresses that pages of ours asked for since the last call. The browser opens one of its own at its start.
    pub fn asked_for(&self) -> Vec<String> {
        let events = self.log("performance");
        let event = |line: &Json| -> Option<String> {
            let event: Json = line["message"].as_str()?.parse().ok()?;
            let message = &event["message"];
            let is_ours = message["params"]["documentURL"].as_str().is_some_and(|page| page.starts_with("file:"));
            let is_request = message["method"] == "Network.requestWillBeSent" && is_ours;
            is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        };
        events.iter().filter_map(event).collect()
    }

    fn log(&self, kind: &str) -> Vec<Json> {
        self.post("/se/log", &format!(r#"{{"type":"{kind}"}}"#)).as_array().cloned().unwrap_or_default()
    }

    fn element(&self, selector: &str) -> String {
        let asked = format!(r#"{{"using":"css selector","value":{}}}"#, Json::from(selector));
        let found = self.post("/element", &asked);
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Json::as_str);
        id.unwrap_or_else(|| panic!("no element {selector}: {found}")).to_owned()
    }

    fn get(&self, path: &str) -> Json {
        self.request("GET", &format!("/session/{}{path}", self.session), "")
    }

    fn post(&self, path: &str, body: &str) -> Json {
        self.request("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Json {
        let answer = self.try_request(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{method} {path} {body}: {} {}", value["error"], value["message"]);
        value
    }

    fn try_request(&self, method: &str, path: &str, body: &str) -> std::io::Result<Json> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) =
                line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            {
                length = value.trim().parse().unwrap_or_else(|_| panic!("{name} is no number"));
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).parse().unwrap_or_default())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_request("DELETE", &format!("/session/{}", self.session), "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        if self.browser_pid > 0 {
            // It is gone by now, unless the driver was no longer there to end it.
            let pid = self.browser_pid.to_string();
            let _ = Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status();
        }
    }
}
