"""What the page of a batch adds to the style sheet of all reports."""

from dexgrasp.evaluation.report_style import STYLE

BATCH_STYLE = (
    STYLE
    + """
.tiles { grid-template-columns: repeat(auto-fit, minmax(225px, 1fr)); }
h3 { text-transform: none; }
section > p.quiet { margin: 0 0 12px; max-width: 76ch; }
.scroll + p.quiet { margin: 10px 0 0; }
th, td { padding: 9px 10px; }
.scroll td:last-child { min-width: 0; }
.scroll th { white-space: normal; vertical-align: bottom; }
.words { white-space: normal; min-width: 140px; }
tr.theirs td { color: var(--quiet); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.panel {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 20px;
}
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 16px; }
.columns > * { min-width: 0; }
section > .tiles { margin: 0 0 16px; }
.objects {
  display: grid; grid-template-columns: minmax(110px, auto) 1fr auto auto; gap: 7px 18px;
  align-items: center; font-size: 14px;
}
.object { display: contents; }
.objects .bar { margin: 0; }
.counts {
  display: grid; grid-template-columns: fit-content(62%) minmax(60px, 1fr) auto;
  gap: 7px 14px; align-items: center; font-size: 14px;
}
.count { display: block; }
.count i {
  display: block; height: 8px; min-width: 2px; border-radius: 4px; background: var(--accent);
  opacity: 0.6;
}
figure { margin: 0; }
figcaption { font-weight: 600; font-size: 15px; }
figure svg { display: block; width: 100%; max-width: 560px; height: auto; }
svg text { font-size: 12px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg .axis line { stroke: var(--line); }
svg .strong, .legend .strong { fill: var(--accent); background: var(--accent); }
svg .weak, .legend .weak { fill: var(--weak); background: var(--weak); }
svg .threshold line { stroke: var(--ink); stroke-dasharray: 4 3; }
svg .threshold text { fill: var(--ink); }
.legend span { margin-right: 16px; white-space: nowrap; }
.legend i {
  display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px;
}
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(186px, 1fr)); gap: 12px; }
.grasp {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 8px; font-size: 13px; overflow: hidden;
}
.grasp img {
  display: block; width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 6px;
  background: var(--ground); margin-bottom: 6px;
}
.grasp b { font-weight: 500; margin-right: 8px; overflow-wrap: anywhere; }
.marks { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 4px; }
.mark { padding: 0 6px; border-radius: 8px; font-size: 12px; white-space: nowrap; }
.none { color: var(--quiet); background: var(--ground); }
td .marks { margin-top: 0; flex-wrap: nowrap; }
.panel table { border: 0; background: none; }
.panel th, .panel td { padding: 6px 10px 6px 0; }
.panel td:first-child { white-space: normal; }
:root { --weak: #c3c9ce; }
@media (prefers-color-scheme: dark) { :root { --weak: #4a535b; } }
@media (max-width: 640px) {
  main { padding: 24px 14px 48px; }
  th, td { padding: 8px 10px; }
  .words { min-width: 120px; }
  .objects { display: block; }
  .object {
    display: grid; grid-template-columns: 1fr auto auto; gap: 5px 14px; margin-bottom: 12px;
  }
  .objects .bar { grid-column: 1 / -1; grid-row: 2; }
}
"""
)
