"""Style sheet of HTML reports, inline in every file: light and dark by the reader's preference, and print."""

CSS = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b1f27;--soft:#5d6675;--line:#e2e6ec;--accent:#2f5fd0;
--track:#e9edf3;--warn:#8a5a00;--warnbg:#fff6df;--warnline:#f0d48a;--err:#a3161f;--errbg:#fdecec;--errline:#f2b8bb;
--c0:#4169b8;--c1:#e08a2c;--c2:#3f9a6b;--c3:#c4504f;--c4:#7d63b5;--c5:#3ba3b8;--c6:#b59a2e;--c7:#c471a4;--c8:#8a6d55;
--c9:#8d97a6;--estimated:#2f5fd0;--simulated:#6d4fc4;--measured:#1d7f4e;--published:#a3457f}
@media(prefers-color-scheme:dark){:root{--bg:#12151b;--card:#1a1f28;--ink:#e6e9ef;--soft:#9aa4b5;--line:#2b323f;
--accent:#86a9ff;--track:#262d39;--warn:#f2c766;--warnbg:#2d2614;--warnline:#5a4a1c;--err:#ff9a9a;--errbg:#331a1d;
--errline:#6a2c31;--c0:#6f97e8;--c1:#eda657;--c2:#5fbd8c;--c3:#e27a78;--c4:#a58bdd;--c5:#62c3d6;--c6:#d3ba54;
--c7:#e096c3;--c8:#b4957b;--c9:#a4adbb;--estimated:#8fb0ff;--simulated:#b9a3f5;--measured:#6fd39f;--published:#ec9fcb}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:1.6rem;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.02rem;margin:0 0 12px}
h3{font-size:.86rem;margin:0;font-weight:600}
.brand{color:var(--soft);font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;margin-bottom:6px}
.bottleneck{display:inline-block;margin-top:12px;padding:4px 12px;border:1px solid var(--line);border-radius:99px;
background:var(--card);font-size:.9rem}
.bottleneck b{color:var(--accent)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;margin-top:18px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(155px,1fr));gap:12px;margin-top:20px}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 14px}
.card .label{color:var(--soft);font-size:.8rem}
.card .figure{font-size:1.12rem;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.card .band{color:var(--warn);font-size:.82rem;font-variant-numeric:tabular-nums}
.finding{border:1px solid var(--warnline);background:var(--warnbg);border-radius:8px;padding:8px 12px;margin-top:8px;
overflow-wrap:anywhere}
.finding b{color:var(--warn)}
.finding.error{border-color:var(--errline);background:var(--errbg)}
.finding.error b{color:var(--err)}
code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.bar{margin-bottom:18px}
.bar:last-child{margin-bottom:0}
.barhead{display:flex;justify-content:space-between;gap:12px;margin-bottom:6px;font-variant-numeric:tabular-nums}
.barhead span{color:var(--soft);font-size:.86rem;white-space:nowrap}
svg{display:block;width:100%;border-radius:6px}
svg.tall{height:30px}
svg.low{height:18px}
.track{fill:var(--track)}
.mark{fill:var(--ink)}
.legend{display:grid;grid-template-columns:repeat(auto-fill,minmax(255px,1fr));gap:3px 22px;margin:10px 0 0;padding:0;
list-style:none;font-size:.88rem}
.legend li{display:flex;align-items:baseline;gap:8px;min-width:0}
.legend i{flex:none;width:10px;height:10px;border-radius:3px}
.legend span{flex:1;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.legend em{font-style:normal;color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th{font-weight:600;text-align:left;color:var(--soft);font-size:.82rem;border-bottom:1px solid var(--line)}
th,td{padding:5px 14px 5px 0;vertical-align:baseline}
th:last-child,td:last-child{padding-right:0}
tbody tr+tr td{border-top:1px solid var(--line)}
tbody tr.group td{border-top:0;padding-top:14px;font-weight:650}
tbody tr.group:first-child td{padding-top:0}
tbody tr.group+tr td{border-top:0}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
td.number{white-space:nowrap}
td.number .words{white-space:normal}
td:first-child>span{display:block}
.barhead+svg.low{margin-bottom:10px}
.finding code{float:right;color:var(--soft);margin-left:12px}
td.soft,.soft{color:var(--soft);font-size:.88rem}
.d1{padding-left:14px}.d2{padding-left:32px;color:var(--soft)}.d3{padding-left:50px;color:var(--soft)}
.how{display:inline-block;font-size:.74rem;line-height:1.5;padding:0 8px;border-radius:99px;border:1px solid;
white-space:nowrap}
.how.estimated{color:var(--estimated)}.how.simulated{color:var(--simulated)}
.how.measured{color:var(--measured)}.how.published{color:var(--published)}
.how.counted{color:var(--estimated)}.how.given{color:var(--soft)}.how.assumed{color:var(--warn)}
sup a,a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
ol,ul.plain{margin:0;padding-left:22px;font-size:.9rem}
details+details{margin-top:6px}
summary{cursor:pointer;font-weight:600}
details table{margin:8px 0 4px}
footer{margin-top:22px;color:var(--soft);font-size:.82rem;overflow-wrap:anywhere}
@media print{body{background:#fff}main{max-width:none;padding:0}section,.card{break-inside:avoid}}
"""
