"""Identifiers of everything interactive. They are the contract between a view and its handler."""

from __future__ import annotations

COMMAND = "/rollback"

# Modals (callback_id).
ASSESSMENT_LOADING = "assessment_loading"
ASSESSMENT = "assessment"
DECISION = "decision"
RESOLVE = "resolve"
REJECT = "reject"
WORDS = "words"
WATCH = "watch"
CONFIRM = "confirm"
REPLAN = "replan"
MOVE_MEETING = "move_meeting"
EDIT_EXTERNAL = "edit_external"

# Buttons (action_id). The value of each is the incident's id, for the plan's buttons followed by
# a space and the plan's hash.
ASSESS = "assess"
"""Opens the assessment; the value is the service's name, and behind a space perhaps the id of what
it begins with (a prefill)."""
APPROVE = "approve"
OPEN_REJECT = "open_reject"
OPEN_REPLAN = "open_replan"
PAUSE = "pause"
RESUME = "resume"
ABORT = "abort"
VERIFY_AGAIN = "verify_again"
OPEN_WORDS = "open_words"
OPEN_RESOLVE = "open_resolve"
UNDO = "undo"
OPEN_MOVE_MEETING = "open_move_meeting"
ACTION_DONE = "action_done"
"""The value is the incident's id, the action's place and the action's identity."""
HOLD_EXTERNAL = "hold_external"
FREE_EXTERNAL = "free_external"
SEND_EXTERNAL = "send_external"
"""The value of this one and the next two is the incident's id, a space, the draft's number."""
OPEN_EDIT_EXTERNAL = "open_edit_external"
DISCARD_EXTERNAL = "discard_external"

BUTTONS = (
    ASSESS,
    APPROVE,
    OPEN_REJECT,
    OPEN_REPLAN,
    PAUSE,
    RESUME,
    ABORT,
    VERIFY_AGAIN,
    OPEN_WORDS,
    OPEN_RESOLVE,
    UNDO,
    HOLD_EXTERNAL,
    FREE_EXTERNAL,
    SEND_EXTERNAL,
    OPEN_EDIT_EXTERNAL,
    DISCARD_EXTERNAL,
    OPEN_MOVE_MEETING,
    ACTION_DONE,
)
MODALS = (
    ASSESSMENT,
    DECISION,
    WATCH,
    CONFIRM,
    RESOLVE,
    REJECT,
    WORDS,
    REPLAN,
    EDIT_EXTERNAL,
    MOVE_MEETING,
)

# Inputs (block_id and action_id are the same).
AFFECTED_USERS = "affected_users"
BUSINESS_DROP = "business_drop"
FINDINGS = "findings"
DESCRIPTION = "description"
ERROR_RATE = "error_rate"
LATENCY = "latency"
REASON = "reason"
ALTERNATIVES = "alternatives"
RATIONALE = "rationale"
AFFECTED_TEXT = "affected_text"
TARGET = "target"
PARTS = "parts"
TEXT = "text"
ROOT_CAUSE = "root_cause"
ACTIONS = "corrective_actions"
WENT_WELL = "went_well"
TO_IMPROVE = "to_improve"
FOLLOW_UP = "follow_up"
TIMELINE = "follow_up_timeline"
IMPACT = "impact"
MEETING_DAY = "meeting_day"
MEETING_TIME = "meeting_time"

# Values of the findings checkboxes.
SERVICE_DOWN = "service_down"
CORE_BROKEN = "core_feature_broken"
CORRUPTION = "data_corruption"
BREACH = "security_breach"
COMPLAINTS = "many_complaints"
