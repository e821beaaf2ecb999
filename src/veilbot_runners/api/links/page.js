document.querySelectorAll("button").forEach(function (button) {
  var label = button.textContent;
  button.addEventListener("click", function () {
    var code = button.parentElement.querySelector("code");
    var range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    function done() {
      button.textContent = button.dataset.done;
      setTimeout(function () { button.textContent = label; }, 2000);
    }
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done);
    else if (document.execCommand("copy")) done();
  });
});
