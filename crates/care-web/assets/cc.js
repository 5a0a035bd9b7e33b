// Optional help for people whose browser runs scripts. Nothing on any page depends on it.
(function () {
  'use strict'
  // A form is sent once: a second press while the first is on its way does nothing.
  document.addEventListener('submit', function (event) {
    var form = event.target
    if (form.dataset.sent) {
      event.preventDefault()
      return
    }
    form.dataset.sent = 'yes'
    window.setTimeout(function () { delete form.dataset.sent }, 5000)
  })
  // People who come back with the browser's arrow may send the form again.
  window.addEventListener('pageshow', function () {
    document.querySelectorAll('form').forEach(function (form) { delete form.dataset.sent })
  })
  // Without cookies nobody can stay logged in: said before it fails.
  if (!navigator.cookieEnabled) {
    document.querySelectorAll('[data-no-cookies]').forEach(function (words) { words.hidden = false })
  }
  // The button that opens the browser's own way to print.
  document.querySelectorAll('[data-print]').forEach(function (button) {
    button.hidden = false
    button.addEventListener('click', function () { window.print() })
  })
  // An error summary is read first.
  var summary = document.querySelector('.nhsuk-error-summary')
  if (summary) { summary.focus() }
  // In a wide table the latest value is in view.
  document.querySelectorAll('[data-latest-right]').forEach(function (region) {
    region.scrollLeft = region.scrollWidth
  })
  // The height of the banner keeps focused controls from under it.
  var banner = document.querySelector('.cc-banner')
  if (banner && window.ResizeObserver) {
    var keep = function () {
      var sticky = window.getComputedStyle(banner).position === 'sticky'
      document.documentElement.style.scrollPaddingTop = sticky ? banner.offsetHeight + 8 + 'px' : ''
    }
    new window.ResizeObserver(keep).observe(banner)
    keep()
  }
})()
