# Submits the examples at the gateway, and follows each to its end.
set -e
holdfast submit /examples/trip.yaml --watch
holdfast submit /examples/checksums.yaml --watch \
  --input folder=/examples --input report=/var/lib/holdfast/checksums.txt
echo "The traces: http://127.0.0.1:16686"
