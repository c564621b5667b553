// SPDX-License-Identifier: BSD-3-Clause

if (location.search === '?wrong')
	document.getElementById('wrong').hidden = false;
document.getElementById('token').focus();
