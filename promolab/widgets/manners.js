const keep = event => {
  if (event.key === 'Escape') element.closest('.jp-Cell')?.focus();
  else if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
};
const name = box => box.querySelectorAll('.noUi-handle:not([aria-label])').forEach(handle => {
  const label = handle.closest('.widget-hslider').querySelector('.widget-label');
  if (label) handle.setAttribute('aria-label', label.textContent);
});
const begin = () => {
  const box = element.closest('.promolab-explorer');
  if (!box) return requestAnimationFrame(begin);
  box.addEventListener('keydown', keep);
  new MutationObserver(() => name(box)).observe(box, {childList: true, subtree: true});
  name(box);
};
begin();
