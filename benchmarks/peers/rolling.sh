# Option C of the procedure: back to the revision before, and wait until kubectl calls it done.
set -eu
kubectl -n shop rollout undo deployment/payments
kubectl -n shop rollout status deployment/payments
