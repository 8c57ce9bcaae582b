# Option A of the procedure, typed in advance: switch, version, pods, health.
# Needs KUBECONFIG, and URL as users reach the service.
set -eu
kubectl -n shop patch service checkout -p '{"spec":{"selector":{"version":"blue"}}}'
until curl -fsS "$URL/version" | grep -q 'v2\.0\.0'; do sleep 0.1; done
kubectl -n shop get pods -l version=blue
curl -fsS "$URL/health"
