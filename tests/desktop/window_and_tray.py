"""Drives the real window and the real tray: run by the `desktop` tests inside Xvfb and a D-Bus session of its own.

Usage: window_and_tray.py PROGRAM SCREENSHOT

The window is driven by WebKitWebDriver (the W3C protocol, standard library only), the tray by its own D-Bus menu.
Prints what it checked, a line each; exits with 0 when all of it held.
"""

import base64
import ctypes
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import dbus

PATIENCE_S = 60
MENU_INTERFACE = "com.canonical.dbusmenu"
NO_NAMES = dbus.Array([], signature="s")
# What shows that a page is there, by its name in the navigation. A row that stands where a list puts it shows that
# the page may place things.
PAGES = {
    "Calls": "[...document.querySelectorAll('[role=grid] [role=row][aria-selected]')]"
    ".some((it) => getComputedStyle(it).transform !== 'none')",
    "Packets": "document.querySelector('main').innerText.includes('helper')",
    "Programs": "document.querySelector('[aria-label=Programs] td a') !== null",
    "Routing": "document.querySelector('[aria-label=\"No models\"]') !== null",
    "Providers": "document.querySelector('main').innerText.toLowerCase().includes('anthropic')",
    "Keys": "document.querySelector('main').innerText.includes('There is no key yet')",
    "Costs": "document.querySelector('figure canvas') !== null"
    " && document.querySelector('[aria-label=\"Costs by model\"] td a') !== null",
    "Budgets": "document.querySelector('[aria-label=\"No budgets\"]') !== null",
    "Cache": "document.querySelector('[aria-label=\"No cache\"]') !== null",
    "Guardrails": "document.querySelector('[aria-label=\"No guardrails\"]') !== null",
    "Doctor": "document.querySelector('main li h3') !== null",
    "Settings": "document.querySelector('main').innerText.includes('OPENAI_BASE_URL')",
}
WATCH_ERRORS = """
    window.errors = [];
    addEventListener("error", (it) => window.errors.push(it.message));
    addEventListener("unhandledrejection", (it) => window.errors.push(String(it.reason)));
    document.addEventListener("securitypolicyviolation", (it) =>
        window.errors.push(`${it.effectiveDirective} ${it.blockedURI} ${it.sourceFile}`));
"""
EDITOR_FONT_SIZE = """(() => {
    const roots = [...document.querySelectorAll("*")].map((it) => it.shadowRoot).filter(Boolean);
    const editor = roots.map((it) => it.querySelector(".cm-editor")).find(Boolean);
    return editor && getComputedStyle(editor).fontSize;
})()"""


def wait_for(what, condition):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + PATIENCE_S
    answer = None
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            print("ok:", what, flush=True)
            return answer
        time.sleep(0.1)
    raise SystemExit(f"not within {PATIENCE_S} s: {what} (last answer: {answer!r})")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class WebDriver:
    """A session with the page in the window."""

    def __init__(self, program):
        self.port = free_port()
        environment = dict(os.environ, TAURI_AUTOMATION="true", TAURI_WEBVIEW_AUTOMATION="true")
        # Usual on servers and without a desktop; WebKitGTK makes the language `C` of it, by which nothing can format.
        environment["LC_ALL"] = "C.UTF-8"
        environment.pop("LANGUAGE", None)
        self.driver = subprocess.Popen(
            ["WebKitWebDriver", f"--port={self.port}", "--host=127.0.0.1"], env=environment
        )
        wait_for("the driver answers", self.is_ready)
        options = {"binary": program, "args": ["--demo"]}
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self.session = self.post("/session", {"capabilities": capabilities})["sessionId"]

    def is_ready(self):
        try:
            return self.request("GET", "/status")["ready"]
        except (urllib.error.URLError, ConnectionError):
            return False

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)["value"]

    def post(self, path, body):
        return self.request("POST", path, body)

    def run(self, script):
        path = f"/session/{self.session}/execute/sync"
        return self.post(path, {"script": script, "args": []})

    def text(self):
        return self.run("return document.body.innerText")

    def screenshot(self):
        return base64.b64decode(self.request("GET", f"/session/{self.session}/screenshot"))


class Tray:
    """The menu that the desktop's panel would show."""

    def __init__(self, bus):
        self.bus = bus
        self.menu = wait_for("the tray's menu is on the bus", self.find)

    def find(self):
        daemon = dbus.Interface(
            self.bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus"), "org.freedesktop.DBus"
        )
        for name in daemon.ListNames():
            if not name.startswith(":") or name == self.bus.get_unique_name():
                continue
            path = "/org/ayatana/NotificationItem/tray_icon_tray_app_main/Menu"
            menu = dbus.Interface(self.bus.get_object(name, path, introspect=False), MENU_INTERFACE)
            try:
                menu.GetLayout(0, 1, NO_NAMES, timeout=2)
                return menu
            except dbus.DBusException:
                continue
        return None

    def items(self):
        _, (_, _, children) = self.menu.GetLayout(0, -1, NO_NAMES)
        return [(int(number), properties) for number, properties, _ in children]

    def find_item(self, start):
        for number, properties in self.items():
            if str(properties.get("label", "")).replace("_", "").startswith(start):
                return number, properties
        return None

    def is_checked(self, start):
        return int(self.find_item(start)[1].get("toggle-state", 0)) == 1

    def click(self, start):
        number, _ = self.find_item(start)
        self.menu.Event(number, "clicked", dbus.Int32(0, variant_level=1), dbus.UInt32(0))


def find_window(title, *only):
    """The number of the window with exactly this title, as X knows it."""
    command = ["xdotool", "search", *only, "--name", f"^{title}$"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S).stdout.split()
    return int(found[0]) if found else None


def dismiss(window):
    subprocess.run(["xdotool", "windowfocus", str(window), "key", "--window", str(window), "Return"], check=True)


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent, with room for what XEvent has beyond it."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 12),
    ]


def close(window):
    """Asks a window to close, as the button in its frame does: there is no window manager here to press it."""
    client_message, format_of_longs = 33, 32
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x11.XInternAtom.restype = ctypes.c_ulong
    x11.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(None)
    event = ClientMessage(type=client_message, window=window, format=format_of_longs)
    event.message_type = x11.XInternAtom(display, b"WM_PROTOCOLS", 0)
    event.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    x11.XSendEvent(display, window, 0, 0, ctypes.byref(event))
    x11.XCloseDisplay(display)


def take(address):
    """Listens where the gateway did, as another program may."""
    host, port = address.rsplit(":", 1)
    return socket.create_server((host, int(port)))


def is_open(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 1).close()
        return True
    except OSError:
        return False


def status(page):
    """The admin API as the page asks it: through the window, not over HTTP."""
    script = """
        const done = arguments[arguments.length - 1];
        window.__TAURI_INTERNALS__
            .invoke("api", { method: "GET", path: "/api/status", body: null })
            .then((it) => done(it.body), (it) => done(JSON.stringify({ error: String(it) })));
    """
    answer = page.post(f"/session/{page.session}/execute/async", {"script": script, "args": []})
    return json.loads(answer)


def show_every_page(page):
    """Opens each page of the navigation: what it is called, what it shows, and that nothing broke."""
    page.run(WATCH_ERRORS)
    names = page.run("return [...document.querySelectorAll('nav a')].map((it) => it.textContent)")
    assert names == list(PAGES), names
    for name, content in PAGES.items():
        page.run(f"[...document.querySelectorAll('nav a')].find((it) => it.textContent === '{name}').click()")
        heading = "return document.querySelector('h1').textContent"
        wait_for(f"the page {name} has its heading", lambda: page.run(heading) == name)
        wait_for(f"the page {name} has its content", lambda: page.run(f"return {content}"))
        alerts = page.run("return [...document.querySelectorAll('[role=alert]')].map((it) => it.innerText)")
        assert alerts == [], (name, alerts)
    page.run("document.querySelector('nav a').click()")
    wait_for("calls are listed again", lambda: page.run(f"return {PAGES['Calls']}"))
    page.run("document.querySelector('[role=grid] [role=row][aria-selected]').click()")
    wait_for("a call opens", lambda: page.run(f"return {find_tab('Raw')} !== undefined"))
    page.run(f"{find_tab('Raw')}.click()")
    # The editor's styles are constructed style sheets: the policy allows no inline ones.
    wait_for("its bodies are shown, in style", lambda: page.run(f"return {EDITOR_FONT_SIZE}") == "12px")
    page.run("document.querySelector('[aria-label=\"Close the call\"]').click()")
    assert page.run("return window.errors") == [], page.run("return window.errors")
    print("ok: no page broke, and none broke the policy", flush=True)


def show_news_of_a_budget(demo):
    """What the desktop is asked to show when a budget has too little left; who would show it is not needed for that."""
    match = "interface='org.freedesktop.Notifications',member='Notify'"
    with subprocess.Popen(["dbus-monitor", "--session", match], stdout=subprocess.PIPE, text=True) as monitor:
        configuration = demo / "config.toml"
        budget = '[[budgets]]\nname = "next to nothing"\nusd_per_day = "0.000001"\non_limit = "warn"\n'
        configuration.write_text(configuration.read_text() + budget)
        timer = threading.Timer(PATIENCE_S, monitor.terminate)
        timer.start()
        shown = any("Budget next to nothing" in line for line in monitor.stdout)
        timer.cancel()
        monitor.terminate()
    assert shown, "the desktop was not asked to tell of the budget"
    print("ok: the desktop tells of a budget that has too little left", flush=True)


def find_tab(name):
    return f"[...document.querySelectorAll('[role=tab]')].find((it) => it.textContent.startsWith('{name}'))"


def main(program, picture):
    demo = pathlib.Path(os.environ["XDG_DATA_HOME"], "tollgate", "demo")
    demo.mkdir(parents=True)
    # An address of its own: no other test takes the port while the gateway is off.
    (demo / "config.toml").write_text('listen = "127.0.0.77:0"\n')

    page = WebDriver(program)
    wait_for("the page is there", lambda: "Calls" in page.text())
    wait_for("a call shows with its program", lambda: "notes-agent" in page.text())
    wait_for("the simulator is named", lambda: "nobody is billed" in page.text())
    wait_for("a cost shows", lambda: "$0.0" in page.text())
    show_every_page(page)
    now = status(page)
    assert now["simulated"] and now["on"], now
    address = now["listen"]
    wait_for("the port is open", lambda: is_open(address))

    show_news_of_a_budget(demo)
    tray = Tray(dbus.SessionBus())
    wait_for("the tray says that the gateway is on", lambda: tray.is_checked("Gateway on"))
    wait_for("the tray counts calls", lambda: tray.find_item("Today: $"))
    tray.click("Gateway on")
    wait_for("the tray says that it is off", lambda: not tray.is_checked("Gateway on"))
    wait_for("the admin API says so", lambda: not status(page)["on"])
    wait_for("the port is closed", lambda: not is_open(address))
    wait_for("the page says so", lambda: address not in page.text())
    taken = take(address)
    tray.click("Gateway on")
    dialog = wait_for("a dialog says that it cannot be turned on", lambda: find_window("The gateway cannot be switched"))
    wait_for("the tray still says that it is off", lambda: not tray.is_checked("Gateway on"))
    assert not status(page)["on"]
    dismiss(dialog)
    wait_for("the dialog is gone", lambda: not find_window("The gateway cannot be switched"))
    taken.close()
    tray.click("Gateway on")
    wait_for("the tray says that it is on again", lambda: tray.is_checked("Gateway on"))
    # The click alone has flipped the box.
    wait_for("the gateway listens again", lambda: status(page)["listen"])
    wait_for("the port is open again", lambda: is_open(status(page)["listen"]))

    tray.click("Pause capture")
    wait_for("the capture is paused", lambda: status(page)["capture"]["paused"])
    tray.click("Pause capture")
    wait_for("the capture goes on", lambda: not status(page)["capture"]["paused"])

    pathlib.Path(picture).write_bytes(page.screenshot())
    second = subprocess.run([program, "--demo"], timeout=PATIENCE_S, check=False)
    assert second.returncode == 0, second
    print("ok: a second start only shows the first one's window", flush=True)

    address = status(page)["listen"]
    close(wait_for("the window is there", lambda: find_window("Tollgate", "--onlyvisible")))
    wait_for("the window is closed, not only hidden", lambda: not find_window("Tollgate"))
    assert is_open(address), "closing the window must leave the gateway"
    assert tray.is_checked("Gateway on")
    tray.click("Open Tollgate")
    wait_for("the window is there again", lambda: find_window("Tollgate", "--onlyvisible"))
    close(find_window("Tollgate"))
    wait_for("it closes again", lambda: not find_window("Tollgate"))
    tray.click("Quit")
    wait_for("quitting closes the port", lambda: not is_open(address))
    page.driver.terminate()
    page.driver.wait(PATIENCE_S)


main(*sys.argv[1:])
