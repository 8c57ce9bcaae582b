"""The words on the buttons, as sentences elsewhere quote them."""

from __future__ import annotations

APPROVE = "Approve"
REJECT = "Reject"
REPLAN = "Other target / plan again"
PLAN_AGAIN = "Plan again"
PAUSE = "Pause"
RESUME = "Resume"
ABORT = "Abort"
VERIFY_AGAIN = "Verify again"
UNDO = "Undo the rollback"
ADD_WORDS = "Add words to the next update"
RESOLVE = "Resolve"
ASSESS = "Assess now"
