app2 for <%= request.getHeader("X-Real-IP") %>
