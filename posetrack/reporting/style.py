"""The style sheet of the pages: calm, light and dark, from telephones to large screens."""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """
:root{--paper:#fff;--ground:#f6f7f9;--ink:#1c2129;--soft:#667085;--rule:#e4e7ec;--shade:46,120,210}
@media(prefers-color-scheme:dark){:root{--paper:#171a20;--ground:#0f1115;--ink:#e8eaee;
--soft:#98a1b0;--rule:#2a2f38;--shade:110,170,255}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 8px}
h1{font-size:28px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 4px}
h3{font-size:15px;margin:0 0 8px;font-weight:400}
p{margin:0}
a{color:inherit}
.back{display:inline-block;font-size:13px;color:var(--soft);margin-bottom:12px}
.sub,.note{color:var(--soft)}
.note{font-size:13px;margin-bottom:8px}
section{background:var(--paper);border:1px solid var(--rule);border-radius:12px;padding:20px;
margin:16px 0}
section>h2+*{margin-top:12px}
section>h2+.note{margin-top:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;
margin:20px 0 4px}
.tiles div{background:var(--paper);border:1px solid var(--rule);border-radius:12px;
padding:14px 16px}
.tiles b{display:block;font-size:24px;line-height:1.2;font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:13px}
.dot{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:7px}
.lane{display:grid;grid-template-columns:minmax(76px,150px) 1fr;gap:12px;align-items:center}
.lane+.lane{margin-top:6px}
.who{display:flex;align-items:center;gap:9px;font-size:14px;min-width:0;overflow-wrap:anywhere}
.who img{width:30px;height:40px;object-fit:cover;border-radius:6px;flex:none}
.bar{position:relative;height:14px;background:var(--ground);border-radius:7px;overflow:hidden}
.bar i{position:absolute;top:0;bottom:0;border-radius:3px;min-width:2px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:14px}
.card{border:1px solid var(--rule);border-radius:10px;padding:14px}
.shots{display:grid;grid-template-columns:repeat(4,1fr);gap:6px;margin-bottom:10px}
.shots img{width:100%;aspect-ratio:3/4;object-fit:cover;border-radius:6px;display:block}
dl{display:grid;grid-template-columns:auto 1fr;gap:2px 14px;margin:0;font-size:14px}
dt{color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums}
.ways{position:relative;border-radius:8px;overflow:hidden;background:var(--ground)}
.ways img{display:block;width:100%;filter:saturate(.55) brightness(.92)}
.ways svg{position:absolute;inset:0;width:100%;height:100%}
.ways path{fill:none;vector-effect:non-scaling-stroke;stroke-linecap:round;stroke-linejoin:round}
.ways .edge{stroke-width:5px;opacity:.55}.ways .way{stroke-width:2.5px}
.ways .edge.end{stroke-width:14px;opacity:.8}.ways .way.end{stroke-width:10px}
.chart,.joints{margin:14px 0 0}
figcaption{font-size:13px;font-weight:600;margin-bottom:6px}
figcaption span{font-weight:400;color:var(--soft)}
.plot{position:relative;margin-left:42px}
.plot svg{width:100%;height:100%;display:block;overflow:hidden}
.plot path{fill:none;stroke-width:1.6px;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.plot .g{stroke:var(--rule);stroke-width:1px;vector-effect:non-scaling-stroke}
.ys span{position:absolute;right:100%;margin-right:8px;transform:translateY(-50%);font-size:11px;
color:var(--soft);font-variant-numeric:tabular-nums}
.xs{position:relative;height:18px;font-size:11px;color:var(--soft)}
.chart .xs{margin-left:42px}
.xs span{position:absolute;transform:translateX(-50%);top:2px;white-space:nowrap}
.xs span:first-child{transform:none}.xs .end{transform:translateX(-100%)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(290px,1fr));gap:4px 26px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:10px;font-size:13px}
details+details{border-top:1px solid var(--rule);margin-top:12px;padding-top:12px}
details{margin-top:12px}
summary{cursor:pointer;font-size:14px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;margin-top:6px}
td,th{text-align:left;padding:3px 14px 3px 0;font-weight:400;vertical-align:top}
td+td{overflow-wrap:anywhere}
th{color:var(--soft)}
.joints th{white-space:nowrap;color:inherit;padding:2px 10px 2px 0;vertical-align:bottom}
.joints tr:first-child th{padding:0 0 6px;color:var(--soft);font-size:11px}
.joints tr:first-child span{writing-mode:vertical-rl;transform:rotate(180deg)}
.joints td{width:30px;min-width:22px;height:22px;padding:0;border:2px solid var(--paper);
border-radius:6px;background:rgba(var(--shade),calc(.08 + .92*var(--v)))}
.clips{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:16px}
.clip{text-decoration:none;display:block}
.clip img,.clip .none{width:100%;aspect-ratio:16/9;object-fit:cover;border-radius:8px;
background:var(--ground);margin-bottom:10px;display:block}
.clip h3{font-weight:600;margin:0;overflow-wrap:anywhere}.clip p{color:var(--soft);font-size:13px}
footer{max-width:1080px;margin:0 auto;padding:4px 20px 32px;color:var(--soft);font-size:12px}
@media(max-width:520px){main{padding:20px 12px 4px}section{padding:14px}
.tiles{grid-template-columns:1fr 1fr}.lane{grid-template-columns:84px 1fr}
.cards{grid-template-columns:1fr}}
@media print{section{break-inside:avoid}body{background:#fff}}
""".strip()
