app1 for <%= request.getHeader("X-Real-IP") %>
