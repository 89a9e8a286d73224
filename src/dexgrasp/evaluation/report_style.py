"""Style sheet of the report page: system fonts, light or dark as the reader's system is."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f6f6f4; --panel: #ffffff; --ink: #1d2327; --quiet: #66707a; --line: #e2e3e0;
  --accent: #2a6f97; --good: #1f7a4d; --good-ground: #e3f3ea; --bad: #a8332b;
    --bad-ground: #fbe9e7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15181b; --panel: #1e2226; --ink: #e8eaec; --quiet: #9aa4ad; --line: #30363c;
    --accent: #6fb4dc; --good: #7fd3a5; --good-ground: #1c3529; --bad: #f19a92;
    --bad-ground: #42211e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "Liberation Sans", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 40px 0 12px; }
h3 { font-size: 16px; margin: 0 0 12px; text-transform: capitalize; }
p { margin: 4px 0; }
a { color: var(--accent); }
ul { margin: 0; padding-left: 20px; }
.lead { font-size: 20px; }
.quiet { color: var(--quiet); font-size: 14px; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 16px;
  margin-top: 28px;
}
.tile, .card, pre, table {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
}
.tile, .card { padding: 18px 20px; }
.label { font-size: 14px; color: var(--quiet); }
.figure {
  font-size: 36px; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums;
}
.bar {
  position: relative; height: 6px; margin: 10px 0 12px; border-radius: 3px;
  background: var(--line);
}
.bar i { position: absolute; display: block; }
.interval { height: 6px; border-radius: 3px; background: var(--accent); opacity: 0.4; }
.point {
  width: 4px; height: 14px; margin: -4px 0 0 -2px; border-radius: 2px;
  background: var(--accent);
}
.tick { width: 2px; height: 14px; margin: -4px 0 0 -1px; background: var(--ink); }
.survey::before {
  content: ""; display: inline-block; width: 2px; height: 11px; margin-right: 7px;
  background: var(--ink);
}
.scroll { overflow-x: auto; }
table {
  border-collapse: separate; border-spacing: 0; width: 100%;
  font-variant-numeric: tabular-nums;
}
table.narrow { width: auto; }
th, td { padding: 9px 14px; text-align: left; white-space: nowrap; font-size: 14px; }
td:last-child { white-space: normal; }
.scroll td:last-child { min-width: 180px; }
th { color: var(--quiet); font-weight: 500; }
tbody tr td { border-top: 1px solid var(--line); }
table > tbody:first-child > tr:first-child td { border-top: 0; }
.badge {
  display: inline-block; padding: 1px 9px; border-radius: 10px; font-size: 13px;
  font-weight: 500; text-transform: none;
}
.good { color: var(--good); background: var(--good-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.gallery { display: grid; gap: 16px; }
.media { display: grid; grid-template-columns: 2fr 1fr; gap: 12px; align-items: start; }
.media img { display: block; width: 100%; border-radius: 6px; }
pre {
  padding: 14px 16px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; margin: 0;
}
details { margin-top: 20px; }
summary { cursor: pointer; font-weight: 600; margin-bottom: 10px; }
@media (max-width: 640px) { .media { grid-template-columns: 1fr; } }
@media print { body { background: white; } .card { break-inside: avoid; } }
"""
