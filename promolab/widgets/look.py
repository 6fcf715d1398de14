"""The style of explorers: of JupyterLab's theme, and of a page's own colours elsewhere."""

from __future__ import annotations

STYLE = """<style>
.promolab-explorer { color: var(--jp-content-font-color1, currentColor); max-width: 1240px; }
.promolab-explorer h4 { margin: .2em 0 .4em; font-size: 1.15em; }
.promolab-explorer p { margin: .3em 0; line-height: 1.4; max-width: 70em; }
.promolab-explorer .controls, .promolab-explorer .note-small, .promolab-explorer .absent {
  color: var(--jp-content-font-color2, currentColor); font-size: .92em; }
.promolab-explorer .error { border-left: 4px solid #D55E00; padding: .4em .8em; }
.promolab-explorer .note { border-left: 4px solid #009E73; padding: .4em .8em; }
.promolab-explorer .side { display: flex; flex-wrap: wrap; gap: 10px 22px;
  align-items: flex-start; }
.promolab-explorer figure { margin: .4em 0; }
.promolab-explorer figcaption { font-weight: 600; max-width: 30em; line-height: 1.3; }
.promolab-explorer svg { display: block; height: auto; max-width: 100%; }
.promolab-explorer .scroll { overflow-x: auto; max-width: 100%; }
.promolab-explorer table { border-collapse: collapse; margin: .5em 0; font-size: .95em; }
.promolab-explorer caption { caption-side: top; text-align: left; font-weight: 600;
  padding: .2em 0; color: inherit; line-height: 1.35; }
.promolab-explorer th, .promolab-explorer td { padding: .25em .8em .25em 0; background: none;
  line-height: 1.35;
  border: 0; border-bottom: 1px solid var(--jp-border-color2, #8a8a8a66); vertical-align: top; }
.promolab-explorer .text { text-align: left; }
.promolab-explorer .number { text-align: right; font-variant-numeric: tabular-nums; }
.promolab-explorer tr.marked td { font-weight: 600; }
</style>"""
